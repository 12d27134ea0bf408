//! Reports about an operation in progress, for a user who waits.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// One report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A step that has begun or ended. There are few of them.
    Step(String),
    /// The current state. A later one replaces it.
    Status(String),
    /// The newest lines of a log. Later ones replace them.
    Log(Vec<String>),
}

/// Sends reports. A dropped receiver is not an error.
#[derive(Debug, Clone)]
pub struct Reporter(UnboundedSender<Report>);

impl Reporter {
    pub fn channel() -> (Self, UnboundedReceiver<Report>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    pub fn step(&self, text: impl Into<String>) {
        self.send(Report::Step(text.into()));
    }

    pub fn status(&self, text: impl Into<String>) {
        self.send(Report::Status(text.into()));
    }

    pub fn log(&self, lines: Vec<String>) {
        self.send(Report::Log(lines));
    }

    fn send(&self, report: Report) {
        self.0.send(report).ok();
    }
}
