//! Compiles `proto/` without `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["tfplugin6.proto", "go_plugin.proto"], ["proto"])?;
    tonic_prost_build::configure()
        // A method that the provider does not write answers UNIMPLEMENTED by itself.
        .generate_default_stubs(true)
        .compile_fds(descriptors)?;
    Ok(())
}
