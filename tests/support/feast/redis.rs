//! A real Redis in a pod's network. Feast connects to Redis only by TCP, so it runs next to the containers.

use std::fs;
use std::thread;
use std::time::Duration;

use super::pod::Pod;
use super::python::Python;
use crate::support::testbed::error::{Doing, Result};
use crate::support::testbed::process::output;

/// Sends a command without a Redis client, which would connect again after the shutdown.
const SHUTDOWN: &str = "\
import socket, sys
with socket.create_connection(('127.0.0.1', int(sys.argv[1]))) as redis:
    redis.sendall(f'AUTH {sys.argv[2]}\\r\\nSHUTDOWN\\r\\n'.encode())
    while redis.recv(100): pass
";

pub struct Redis;

impl Redis {
    pub const PASSWORD: &str = "redis-pass";
    pub const PORT: i32 = 6379;

    /// Starts Redis, which ends with the pod.
    pub fn start(pod: &mut Pod<'_>, python: &Python) -> Result<()> {
        let folder = pod.folder().join("redis");
        fs::create_dir(&folder).doing(|| format!("creating {}", folder.display()))?;
        let configuration = folder.join("redis.conf");
        let text = format!(
            "bind 127.0.0.1\nport {}\nrequirepass {}\nappendonly yes\ndir \"{}\"\n",
            Self::PORT,
            Self::PASSWORD,
            folder.display()
        );
        fs::write(&configuration, text).doing(|| format!("writing {}", configuration.display()))?;
        let mut command = pod.enter();
        command.arg(python.redis_server()).arg(&configuration);
        pod.start_beside("redis", command)?;
        pod.wait_for_port("127.0.0.1", Self::PORT)
    }
    /// Stops Redis, which ends all connections but keeps the data, and starts it again after `pause`.
    pub fn restart(pod: &mut Pod<'_>, pause: Duration) -> Result<()> {
        let mut shutdown = pod.enter();
        shutdown
            .arg(pod.python().programs().join("python"))
            .args(["-I", "-S", "-c", SHUTDOWN])
            .args([&Self::PORT.to_string(), Self::PASSWORD]);
        output(&mut shutdown, "stopping Redis")?;
        let service = pod.beside("redis");
        service.wait()?;
        thread::sleep(pause);
        service.start_again()?;
        pod.wait_for_port("127.0.0.1", Self::PORT)
    }
}
