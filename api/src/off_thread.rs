//! Work that blocks, as a future of no executor in particular: a thread of its own does it and
//! wakes whoever waits.

use crate::error::{BoltError, Result};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The result of [`off_thread`], once it is there.
#[derive(Debug)]
pub(crate) struct OffThread<T>(Arc<Mutex<Shared<T>>>);

#[derive(Debug)]
struct Shared<T> {
    result: Option<Result<T>>,
    waker: Option<Waker>,
}

/// Starts `work` at once. A future that is dropped leaves it to come to its end.
pub(crate) fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> OffThread<T> {
    let shared = Arc::new(Mutex::new(Shared { result: None, waker: None }));
    let finish = Finish(Arc::clone(&shared));
    let thread = std::thread::Builder::new().name("bolt".into()).spawn(move || {
        let result = work();
        lock(&finish.0).result = Some(result);
    });
    if let Err(error) = thread {
        lock(&shared).result = Some(Err(failed("start a thread to wait for bolt", error)));
    }
    OffThread(shared)
}

/// Wakes at the end of the thread, a panic's too.
struct Finish<T>(Arc<Mutex<Shared<T>>>);

impl<T> Drop for Finish<T> {
    fn drop(&mut self) {
        let mut shared = lock(&self.0);
        let panicked = || Err(failed("wait for bolt", io::Error::other("the thread panicked")));
        shared.result.get_or_insert_with(panicked);
        if let Some(waker) = shared.waker.take() {
            waker.wake();
        }
    }
}

impl<T> Future for OffThread<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let mut shared = lock(&self.0);
        match shared.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                shared.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn lock<T>(shared: &Mutex<Shared<T>>) -> MutexGuard<'_, Shared<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(action: &str, error: io::Error) -> BoltError {
    BoltError::Io { action: action.to_owned(), error }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Wake;
    use std::thread::Thread;
    use std::time::Duration;

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// The smallest executor there is.
    pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(value) => return value,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    #[test]
    fn whoever_waits_is_woken() {
        assert_eq!(block_on(off_thread(|| Ok(1))).unwrap(), 1);
        let slow = off_thread(|| {
            std::thread::sleep(Duration::from_millis(50));
            Ok(2)
        });
        assert_eq!(block_on(slow).unwrap(), 2);
    }

    #[test]
    fn a_panic_is_an_error_and_no_hang() {
        let error = block_on(off_thread::<()>(|| std::panic::resume_unwind(Box::new(())))).err();
        assert_eq!(error.unwrap().to_string(), "wait for bolt: the thread panicked");
    }

    #[test]
    fn dropped_work_comes_to_its_end() {
        let (send, receive) = std::sync::mpsc::channel();
        drop(off_thread(move || {
            std::thread::sleep(Duration::from_millis(20));
            send.send(()).unwrap();
            Ok(())
        }));
        receive.recv_timeout(Duration::from_secs(10)).unwrap();
    }
}
