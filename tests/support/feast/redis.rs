//! A real Redis in a pod's network. Feast connects to Redis only by TCP, so it runs next to the containers.

use std::fs;

use super::pod::Pod;
use super::python::Python;
use crate::support::testbed::error::{Doing, Result};

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
            "bind 127.0.0.1\nport {}\nrequirepass {}\nsave \"\"\ndir \"{}\"\n",
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
}
