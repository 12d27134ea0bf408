//! A value that is created once, by the first caller that needs it. All callers that wait for a failed attempt get its
//! error; the next caller begins another one.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Mutex;

pub(super) struct SingleFlight<T, E> {
    value: OnceLock<T>,
    /// The number of failed attempts.
    failures: AtomicUsize,
    /// The error of the last one. Locked during an attempt.
    error: Mutex<Option<E>>,
}

impl<T, E> Default for SingleFlight<T, E> {
    fn default() -> Self {
        Self {
            value: OnceLock::new(),
            failures: AtomicUsize::new(0),
            error: Mutex::new(None),
        }
    }
}

impl<T, E: Clone> SingleFlight<T, E> {
    /// Returns the value. Creates it if there is none; if the caller is dropped meanwhile, the next one begins again.
    ///
    /// # Errors
    ///
    /// The creation has failed after this call began.
    pub async fn get_or_create<F: Future<Output = Result<T, E>>>(
        &self,
        create: impl FnOnce() -> F,
    ) -> Result<&T, E> {
        match self.value.get() {
            Some(value) => Ok(value),
            // On the heap, because this is rare, and part of the future of every request.
            None => Box::pin(self.create(create())).await,
        }
    }

    async fn create(&self, creation: impl Future<Output = Result<T, E>>) -> Result<&T, E> {
        let failures = self.failures.load(Ordering::SeqCst);
        let mut error = self.error.lock().await;
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        if let Some(error) = &*error
            && self.failures.load(Ordering::SeqCst) != failures
        {
            return Err(error.clone());
        }
        match creation.await {
            Ok(value) => Ok(self.value.get_or_init(|| value)),
            Err(failed) => {
                *error = Some(failed.clone());
                self.failures.fetch_add(1, Ordering::SeqCst);
                Err(failed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_callers_share_an_error() {
        let (shared, attempts) = (SingleFlight::default(), AtomicUsize::new(0));
        let (shared, attempts): (&SingleFlight<usize, usize>, _) = (&shared, &attempts);
        let call = |succeeds: bool| {
            shared.get_or_create(move || async move {
                let attempt = attempts.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                match succeeds {
                    true => Ok(attempt),
                    false => Err(attempt),
                }
            })
        };
        let failed = tokio::join!(call(false), call(false), call(true));
        assert_eq!(failed, (Err(0), Err(0), Err(0)));
        let created = tokio::join!(call(true), call(false));
        assert_eq!(created, (Ok(&1), Ok(&1)));
        assert_eq!(call(false).await, Ok(&1));
        assert_eq!(attempts.load(Ordering::SeqCst), 2);
    }
}
