//! The signals that ask a process to terminate. They are handled from the creation of [`Signals`] on.

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Signal {
    Interrupt,
    #[cfg_attr(not(unix), allow(dead_code, reason = "exists only on Unix"))]
    Terminate,
}

#[cfg(unix)]
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// The terminal has been closed. `None` keeps the default action, or that of `nohup`, which is to ignore it.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    pub fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = (ignores_hangup() == Some(false)).then(|| signal(SignalKind::hangup()));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: hangup.transpose()?,
        })
    }

    pub async fn next(&mut self) -> Signal {
        let Self {
            interrupt,
            terminate,
            hangup,
        } = self;
        let hangup = async {
            match hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
            _ = hangup => Signal::Terminate,
        }
    }
}

/// Returns whether this process was started with SIGHUP ignored; `None` on systems other than Linux, which do not
/// expose it.
#[cfg(unix)]
fn ignores_hangup() -> Option<bool> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))?;
    let ignored = u64::from_str_radix(ignored.trim(), 16).ok()?;
    // SIGHUP is the first signal.
    Some(ignored & 1 == 1)
}

#[cfg(not(unix))]
pub(super) struct Signals(tokio::signal::windows::CtrlC);

#[cfg(not(unix))]
impl Signals {
    pub fn new() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    pub async fn next(&mut self) -> Signal {
        self.0.recv().await;
        Signal::Interrupt
    }
}
