//! `WasmRuntime`.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;

use super::WasmLayer;
use super::convert::{config, error, plain};
use crate::engine::Engine;
use crate::error::Error;
use crate::session::{Device, Runtime};

/// A runtime.
#[wasm_bindgen]
pub struct WasmRuntime {
    runtime: RefCell<Option<Runtime>>,
    device: &'static str,
    adapter: String,
}

#[wasm_bindgen]
impl WasmRuntime {
    /// `options`: `{device: "auto" | "webgpu" | "cpu", borrowed: boolean}`; borrowed: the device is the caller's.
    pub async fn create(options: JsValue) -> Result<WasmRuntime, JsValue> {
        let get = |name: &str| js_sys::Reflect::get(&options, &name.into()).unwrap_or_default();
        let device = match get("device").as_string().as_deref() {
            Some("auto") => Device::Auto,
            Some("webgpu") => Device::WebGpu,
            Some("cpu") => Device::Cpu,
            _ => {
                let (what, got) = ("device".into(), format!("{:?}", get("device")));
                let wanted = "\"auto\", \"webgpu\" or \"cpu\"".into();
                return Err(error(Error::InvalidArgument { what, got, wanted }));
            }
        };
        let runtime = Runtime::create(device, get("borrowed").is_truthy()).await.map_err(error)?;
        let (device, adapter) = (runtime.device(), runtime.adapter());
        Ok(WasmRuntime { runtime: RefCell::new(Some(runtime)), device, adapter })
    }

    /// `"webgpu"` or `"cpu"`.
    #[wasm_bindgen(getter)]
    pub fn device(&self) -> String {
        self.device.into()
    }

    /// The adapter in words.
    #[wasm_bindgen(getter)]
    pub fn adapter(&self) -> String {
        self.adapter.clone()
    }

    fn live<T>(&self, work: impl FnOnce(&Runtime) -> T) -> Result<T, JsValue> {
        self.runtime.borrow().as_ref().map(work).ok_or_else(|| error(Error::Disposed { what: "runtime" }))
    }

    /// Creates a layer from its description.
    #[wasm_bindgen(js_name = createLayer)]
    pub async fn create_layer(&self, description: JsValue) -> Result<WasmLayer, JsValue> {
        let runtime = self.live(|runtime| Runtime::sharing(runtime.engine().clone()))?;
        let config = config(description).map_err(error)?;
        Ok(WasmLayer::new(runtime.create_layer(config).await.map_err(error)?))
    }

    /// What the engine has done and holds.
    pub async fn counters(&self) -> Result<JsValue, JsValue> {
        self.live(|runtime| plain(&runtime.counters()))
    }

    /// Resolves with `{reason, message}` when the device is gone; never on the CPU engine.
    pub async fn lost(&self) -> Result<JsValue, JsValue> {
        let waiting = self.live(|runtime| match &**runtime.engine() {
            Engine::Gpu(gpu) => Some(gpu.when_lost()),
            Engine::Cpu(_) => None,
        })?;
        let (reason, message) = match waiting {
            Some(waiting) => waiting.await,
            None => std::future::pending().await,
        };
        #[derive(serde::Serialize)]
        struct Lost {
            reason: String,
            message: String,
        }
        Ok(plain(&Lost { reason, message }))
    }

    /// Frees everything once the layers are gone; any later call is an error.
    pub fn dispose(&self) {
        self.runtime.borrow_mut().take();
    }
}
