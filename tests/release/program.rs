//! The platforms of a release, and what a program file says about itself.

use goblin::Object;
use goblin::mach::Mach;
use goblin::mach::constants::cputype::{CPU_TYPE_ARM64, CPU_TYPE_X86_64};

/// A platform in Terraform's notation, and its Rust target.
pub struct Platform {
    pub name: &'static str,
    pub target: &'static str,
    pub format: Format,
    pub processor: Processor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Elf,
    MachO,
    Pe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    Amd64,
    Arm64,
}

/// The platforms, sorted by name.
pub const PLATFORMS: [Platform; 7] = [
    platform("darwin_amd64", "x86_64-apple-darwin", Format::MachO),
    platform("darwin_arm64", "aarch64-apple-darwin", Format::MachO),
    platform("freebsd_amd64", "x86_64-unknown-freebsd", Format::Elf),
    platform("linux_amd64", "x86_64-unknown-linux-musl", Format::Elf),
    platform("linux_arm64", "aarch64-unknown-linux-musl", Format::Elf),
    platform("windows_amd64", "x86_64-pc-windows-gnu", Format::Pe),
    platform("windows_arm64", "aarch64-pc-windows-gnullvm", Format::Pe),
];

const fn platform(name: &'static str, target: &'static str, format: Format) -> Platform {
    // The targets start with the processor.
    let processor = match target.as_bytes()[0] {
        b'x' => Processor::Amd64,
        _ => Processor::Arm64,
    };
    Platform {
        name,
        target,
        format,
        processor,
    }
}

/// What a program file says about itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    pub format: Format,
    pub processor: Processor,
    /// The dynamic libraries that the program needs, sorted. Empty for a static program.
    pub libraries: Vec<String>,
}

impl Header {
    /// Panics if this is not a program of a known format and processor.
    pub fn parse(program: &[u8]) -> Self {
        use goblin::{elf, pe};
        let (format, processor, libraries) = match Object::parse(program).unwrap() {
            Object::Elf(elf) => {
                let processor = match elf.header.e_machine {
                    elf::header::EM_X86_64 => Processor::Amd64,
                    elf::header::EM_AARCH64 => Processor::Arm64,
                    other => panic!("processor {other} in ELF"),
                };
                (Format::Elf, processor, names(&elf.libraries))
            }
            Object::PE(pe) => {
                let processor = match pe.header.coff_header.machine {
                    pe::header::COFF_MACHINE_X86_64 => Processor::Amd64,
                    pe::header::COFF_MACHINE_ARM64 => Processor::Arm64,
                    other => panic!("processor {other} in PE"),
                };
                (Format::Pe, processor, names(&pe.libraries))
            }
            Object::Mach(Mach::Binary(mach)) => {
                let processor = match mach.header.cputype() {
                    CPU_TYPE_X86_64 => Processor::Amd64,
                    CPU_TYPE_ARM64 => Processor::Arm64,
                    other => panic!("processor {other} in Mach-O"),
                };
                // The first one is the program itself.
                (Format::MachO, processor, names(&mach.libs[1..]))
            }
            _ => panic!("not a program of a known format"),
        };
        Self {
            format,
            processor,
            libraries,
        }
    }
}

fn names(libraries: &[&str]) -> Vec<String> {
    let mut names: Vec<_> = libraries.iter().map(|&name| name.to_owned()).collect();
    names.sort();
    names.dedup();
    names
}
