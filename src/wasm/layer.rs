//! `WasmLayer`.

use std::cell::{Cell, RefCell};

use wasm_bindgen::prelude::*;

use super::convert::{
    Fields, backward_options, config_object, error, forward_options, given_weights, gradients_object, learning_rate,
    output_object, weights_object, whole_number,
};
use crate::error::Error;
use crate::session::MoeLayer;

/// A layer. One call at a time: the package queues them.
#[wasm_bindgen]
pub struct WasmLayer {
    /// Absent while a call works on it, and after `dispose`.
    layer: RefCell<Option<MoeLayer>>,
    disposed: Cell<bool>,
    config: JsValue,
    devices: usize,
}

impl WasmLayer {
    pub(super) fn new(layer: MoeLayer) -> Self {
        let (config, devices) = (config_object(layer.config()), layer.config().devices);
        WasmLayer { layer: RefCell::new(Some(layer)), disposed: Cell::new(false), config, devices }
    }

    /// Lends the layer to a call, and takes it back afterwards unless it was disposed of meanwhile.
    async fn with<T>(&self, work: impl AsyncFnOnce(&mut MoeLayer) -> Result<T, Error>) -> Result<T, JsValue> {
        if self.disposed.get() {
            return Err(error(Error::Disposed { what: "layer" }));
        }
        let Some(mut layer) = self.layer.borrow_mut().take() else {
            let (what, got) = ("layer".into(), "busy with another call".into());
            return Err(error(Error::InvalidArgument { what, got, wanted: "used by one call at a time".into() }));
        };
        let result = work(&mut layer).await;
        if !self.disposed.get() {
            *self.layer.borrow_mut() = Some(layer);
        }
        result.map_err(error)
    }
}

#[wasm_bindgen]
impl WasmLayer {
    /// The description, defaults filled in.
    pub fn config(&self) -> JsValue {
        self.config.clone()
    }

    /// The weights.
    pub async fn weights(&self) -> Result<JsValue, JsValue> {
        self.with(async |layer| Ok(weights_object(&layer.weights().await?))).await
    }

    /// Replaces the given arrays.
    #[wasm_bindgen(js_name = setWeights)]
    pub async fn set_weights(&self, weights: JsValue) -> Result<(), JsValue> {
        self.with(async |layer| layer.set_weights(given_weights(&weights)?).await).await
    }

    /// The experts of one task as `{config, weights}`.
    #[wasm_bindgen(js_name = taskNetwork)]
    pub async fn task_network(&self, task: JsValue) -> Result<JsValue, JsValue> {
        self.with(async |layer| {
            let (config, weights) = layer.task_network(whole_number("task", &task)?).await?;
            let fields = Fields::new();
            fields.set("config", config_object(&config));
            fields.set("weights", weights_object(&weights));
            Ok(fields.done())
        })
        .await
    }

    /// Runs the layer on `x`: `[T, dModel]`.
    pub async fn forward(&self, x: Vec<f32>, options: JsValue) -> Result<JsValue, JsValue> {
        let devices = self.devices;
        self.with(async |layer| Ok(output_object(devices, &layer.forward(&x, &forward_options(&options)?).await?)))
            .await
    }

    /// Runs the last forward pass backward from `d_output`: `[T, dModel]`.
    pub async fn backward(&self, d_output: Vec<f32>, options: JsValue) -> Result<JsValue, JsValue> {
        let devices = self.devices;
        self.with(async |layer| {
            let gradients = layer.backward(&d_output, backward_options(&options)?).await?;
            Ok(gradients_object(devices, &gradients))
        })
        .await
    }

    /// Applies the gradients of the last backward pass.
    #[wasm_bindgen(js_name = applyGradients)]
    pub async fn apply_gradients(&self, update: JsValue) -> Result<(), JsValue> {
        self.with(async |layer| layer.apply_sgd(learning_rate(&update)?).await).await
    }

    /// Frees its buffers; any later call is an error.
    pub fn dispose(&self) {
        self.disposed.set(true);
        self.layer.borrow_mut().take();
    }
}
