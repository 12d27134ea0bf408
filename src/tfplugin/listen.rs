//! The listener for the host: a Unix socket in a directory of this user, or loopback TCP on systems without Unix
//! sockets (Windows).

use std::io;
use std::net::Ipv4Addr;
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use super::handshake::Environment;

/// The reason why the plugin cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot create a directory for the socket in {}", in_directory.display())]
    Directory {
        in_directory: PathBuf,
        source: io::Error,
    },
    #[error("cannot listen on {}", socket.display())]
    Socket { socket: PathBuf, source: io::Error },
    #[error("cannot listen on any port of 127.0.0.1 from {first} to {last}")]
    Ports {
        first: u16,
        last: u16,
        source: io::Error,
    },
}

/// A stream of bytes between the host and the plugin.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A listener. Its socket is removed when it is dropped.
pub(super) enum Listener {
    #[cfg(unix)]
    Unix(UnixListener, SocketDirectory),
    #[cfg_attr(unix, allow(dead_code, reason = "Unix has sockets"))]
    Tcp(TcpListener),
}

impl Listener {
    /// Listens on a socket in a new directory. Needs a Tokio runtime.
    #[cfg(unix)]
    pub fn bind(environment: &Environment) -> Result<Self, Error> {
        let parent = match &environment.socket_directory {
            Some(directory) => directory.clone(),
            None => std::env::temp_dir(),
        };
        let directory = SocketDirectory::new(&parent).map_err(|source| Error::Directory {
            in_directory: parent,
            source,
        })?;
        let socket = directory.socket();
        match UnixListener::bind(&socket) {
            Ok(listener) => Ok(Self::Unix(listener, directory)),
            Err(source) => Err(Error::Socket { socket, source }),
        }
    }

    /// Listens on a port of the host's range. Needs a Tokio runtime.
    #[cfg(not(unix))]
    pub fn bind(environment: &Environment) -> Result<Self, Error> {
        Self::bind_tcp(environment)
    }

    /// Listens on the first free port of the host's range, or on any free port if there is no range.
    #[cfg_attr(unix, allow(dead_code, reason = "Unix has sockets"))]
    fn bind_tcp(environment: &Environment) -> Result<Self, Error> {
        let (first, last) = environment.ports.unwrap_or((0, 0));
        let mut source = io::Error::other("the range is empty");
        for port in first..=last {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
                .and_then(TcpListener::from_std);
            match listener {
                Ok(listener) => return Ok(Self::Tcp(listener)),
                Err(error) => source = error,
            }
        }
        Err(Error::Ports {
            first,
            last,
            source,
        })
    }

    /// Returns the network and the address for the handshake.
    pub fn address(&self) -> (&'static str, String) {
        match self {
            #[cfg(unix)]
            Self::Unix(_, directory) => ("unix", directory.socket().display().to_string()),
            Self::Tcp(listener) => {
                let address = listener.local_addr();
                (
                    "tcp",
                    address
                        .map(|address| address.to_string())
                        .unwrap_or_default(),
                )
            }
        }
    }

    pub async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            #[cfg(unix)]
            Self::Unix(listener, _) => Box::new(listener.accept().await?.0),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }
}

/// A new directory that only this user can enter, for the socket. It is removed when this is dropped.
#[cfg(unix)]
pub(super) struct SocketDirectory(PathBuf);

#[cfg(unix)]
impl SocketDirectory {
    fn new(parent: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let process = std::process::id();
        let mut attempt = 0_u32;
        loop {
            // The path of a socket is limited to about a hundred bytes.
            let path = parent.join(format!("tfp-{process}-{attempt}"));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                // The directory of a process that was killed, or one that an attacker made.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 1000 => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }
}

#[cfg(unix)]
impl Drop for SocketDirectory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, directory = %self.0.display(), "cannot remove the socket's directory");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tcp_uses_the_first_free_port_of_the_range() {
        let occupied = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let first = occupied.local_addr().unwrap().port();
        let ports = |last| Environment {
            ports: Some((first, last)),
            ..Environment::default()
        };
        assert!(matches!(
            Listener::bind_tcp(&ports(first)),
            Err(Error::Ports { .. })
        ));
        let listener = Listener::bind_tcp(&ports(first.saturating_add(50))).unwrap();
        let (network, address) = listener.address();
        assert_eq!(network, "tcp");
        assert!(address.starts_with("127.0.0.1:"), "{address}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn socket_directory_is_private_and_removed_on_drop() {
        use std::os::unix::fs::PermissionsExt;
        let parent = std::env::temp_dir();
        let listener = Listener::bind(&Environment {
            socket_directory: Some(parent.clone()),
            ..Environment::default()
        })
        .unwrap();
        let (network, socket) = listener.address();
        assert_eq!(network, "unix");
        let directory = Path::new(&socket).parent().unwrap().to_owned();
        assert_eq!(directory.parent(), Some(parent.as_path()));
        let mode = std::fs::metadata(&directory).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(listener);
        assert!(!directory.exists());
    }
}
