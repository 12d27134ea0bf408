//! Reports the progress of steps that take seconds or minutes: on a terminal in one line with the elapsed seconds,
//! otherwise (CI logs) in an occasional line.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const LOG_LINE_EVERY: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug)]
pub struct Progress(());

impl Progress {
    /// Reports on standard error.
    pub fn stderr() -> Self {
        Self(())
    }

    /// Prints a line.
    pub fn say(self, line: &str) {
        print(&format!("{line}\n"));
    }

    /// Starts a step. Dropping it without [`Step::done`] reports it as "failed".
    pub fn step(self, title: impl Into<String>) -> Step {
        let title = title.into();
        let note = Arc::new(Mutex::new(String::new()));
        let started = Instant::now();
        let (finish, finished) = mpsc::channel();
        let ticker = {
            let (title, note) = (title.clone(), Arc::clone(&note));
            std::thread::spawn(move || tick(&title, &note, started, &finished))
        };
        Step {
            title,
            note,
            started,
            finish,
            ticker: Some(ticker),
        }
    }
}

/// A step in progress.
pub struct Step {
    title: String,
    note: Arc<Mutex<String>>,
    started: Instant,
    finish: mpsc::Sender<()>,
    ticker: Option<JoinHandle<()>>,
}

impl Step {
    /// Sets the progress of the step, which is shown from the next tick on.
    pub fn note(&self, note: impl Into<String>) {
        *lock(&self.note) = note.into();
    }

    pub fn done(mut self) {
        self.end("done");
    }

    fn end(&mut self, outcome: &str) {
        let Some(ticker) = self.ticker.take() else {
            return;
        };
        // An error means that the ticker has already ended and no longer prints.
        self.finish.send(()).ok();
        ticker.join().ok();
        let seconds = self.started.elapsed().as_secs_f64();
        let clear = if on_terminal() { "\r\x1b[2K" } else { "" };
        print(&format!(
            "{clear}{}: {outcome} in {seconds:.1} s\n",
            self.title
        ));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.end("failed");
    }
}

fn tick(title: &str, note: &Mutex<String>, started: Instant, finished: &mpsc::Receiver<()>) {
    let terminal = on_terminal();
    let every = if terminal {
        Duration::from_secs(1)
    } else {
        LOG_LINE_EVERY
    };
    loop {
        let note = lock(note).clone();
        let note = if note.is_empty() {
            note
        } else {
            format!(" ({note})")
        };
        let seconds = started.elapsed().as_secs();
        if terminal {
            print(&format!("\r\x1b[2K{title}{note} … {seconds} s"));
        } else {
            print(&format!("{title}{note} … {seconds} s\n"));
        }
        match finished.recv_timeout(every) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Unlike eprint!, this does not panic if standard error is closed.
fn print(text: &str) {
    let mut stderr = std::io::stderr().lock();
    stderr.write_all(text.as_bytes()).ok();
    stderr.flush().ok();
}

fn lock(note: &Mutex<String>) -> MutexGuard<'_, String> {
    note.lock().unwrap_or_else(PoisonError::into_inner)
}
