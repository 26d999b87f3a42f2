//! What goes wrong on a device, as typed errors.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use futures_channel::oneshot;

use crate::error::Error;

#[derive(Default)]
struct State {
    happened: Option<(String, String)>,
    waiting: Vec<oneshot::Sender<(String, String)>>,
}

/// Whether the device was lost, and who waits to hear of it.
#[derive(Default)]
pub(super) struct Lost(Arc<Mutex<State>>);

impl Lost {
    /// Watches `device`.
    pub(super) fn watch(device: &wgpu::Device) -> Rc<Self> {
        let lost = Lost::default();
        let state = lost.0.clone();
        device.set_device_lost_callback(move |reason, message| {
            let reason = match reason {
                wgpu::DeviceLostReason::Destroyed => "destroyed",
                wgpu::DeviceLostReason::Unknown => "unknown",
            };
            let told = (reason.to_owned(), message);
            let mut state = state.lock().unwrap_or_else(|poison| poison.into_inner());
            state.happened = Some(told.clone());
            for waiting in state.waiting.drain(..) {
                // whoever no longer waits needs no answer
                let _ = waiting.send(told.clone());
            }
        });
        Rc::new(lost)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let state = self.0.lock().unwrap_or_else(|poison| poison.into_inner());
        match &state.happened {
            None => Ok(()),
            Some((reason, message)) => Err(Error::DeviceLost { reason: reason.clone(), message: message.clone() }),
        }
    }

    pub(super) fn wait(&self) -> impl Future<Output = (String, String)> + use<> {
        let (tell, told) = oneshot::channel();
        let mut state = self.0.lock().unwrap_or_else(|poison| poison.into_inner());
        match &state.happened {
            Some(happened) => drop(tell.send(happened.clone())),
            None => state.waiting.push(tell),
        }
        drop(state);
        async move {
            match told.await {
                Ok(told) => told,
                Err(_) => std::future::pending().await,
            }
        }
    }
}

/// Error scopes around a piece of work; all three kinds, so that nothing reaches the page's console instead of the caller.
pub(super) struct Scopes {
    what: &'static str,
    guards: [wgpu::ErrorScopeGuard; 3],
}

impl Scopes {
    pub(super) fn open(device: &wgpu::Device, what: &'static str) -> Self {
        let filters = [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation];
        Scopes { what, guards: filters.map(|filter| device.push_error_scope(filter)) }
    }

    /// Closes the scopes at once; the future has the first error.
    pub(super) fn close(self) -> impl Future<Output = Result<(), Error>> {
        let [internal, memory, validation] = self.guards;
        // innermost first
        let popped = (validation.pop(), memory.pop(), internal.pop());
        let what = self.what;
        async move {
            let first = popped.0.await.or(popped.1.await).or(popped.2.await);
            match first {
                None => Ok(()),
                Some(wgpu::Error::OutOfMemory { source }) => Err(Error::OutOfMemory { message: source.to_string() }),
                Some(other) => Err(Error::Engine { what: what.into(), message: other.to_string() }),
            }
        }
    }
}
