//! Work in a task of its own. A panic of it is a value, for those who wait for the work to report.
//!
//! The calls of the protocol catch panics of their own; a panic in another task would be lost to them, or leave
//! whoever waits for the task without an answer.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use thiserror::Error;

/// Why a task has no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TaskError {
    #[error("the provider or a library of it crashed: {0}")]
    Panicked(String),

    #[error("the program is ending")]
    Ended,
}

/// Does what blocks, on a thread for that.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TaskError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| match error.try_into_panic() {
        Ok(panic) => TaskError::Panicked(message(panic.as_ref())),
        Err(_) => TaskError::Ended,
    })
}

/// Does the work; a panic ends it, and not the task that it is done in.
pub async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, TaskError> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.map_err(|panic| TaskError::Panicked(message(panic.as_ref())))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_value() {
        let panicked = |text: &str| TaskError::Panicked(text.to_owned());
        let two = 2;
        assert_eq!(
            blocking(|| -> () { panic!("plain") }).await,
            Err(panicked("plain"))
        );
        assert_eq!(
            blocking(move || -> () { panic!("number {two}") }).await,
            Err(panicked("number 2"))
        );
        assert_eq!(
            blocking(|| -> () { std::panic::panic_any(7) }).await,
            Err(panicked("without a message"))
        );
        assert_eq!(
            guarded(async { panic!("in a future") }).await,
            Err::<(), _>(panicked("in a future"))
        );
        assert_eq!(blocking(|| 1).await, Ok(1));
        assert_eq!(guarded(async { 1 }).await, Ok(1));
    }
}
