//! Stops the control planes of this process on Ctrl-C and on SIGTERM.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::control_plane::Running;
use super::error::{Doing, Result};

static RUNNING: Mutex<Vec<Weak<Mutex<Running>>>> = Mutex::new(Vec::new());

pub(super) fn register(running: &Arc<Mutex<Running>>) {
    let mut all = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    all.push(Arc::downgrade(running));
}

/// Installs the signal handler: SIGINT, SIGTERM and SIGHUP stop the control planes and end this process with status
/// 130. `main` must call this once.
pub fn stop_on_signal() -> Result<()> {
    ctrlc::set_handler(|| {
        let all = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        for running in all.iter().filter_map(Weak::upgrade) {
            running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .stop();
        }
        std::process::exit(130);
    })
    .doing(|| "listening for Ctrl-C".to_owned())
}
