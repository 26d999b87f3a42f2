//! A layer's backward pass and its update.

use super::layer::{Last, MoeLayer, download, take};
use super::types::{BackwardOptions, BackwardRead, LayerGradients};
use crate::config::LayerConfig;
use crate::engine::Engine;
use crate::error::Error;
use crate::layer::{self, Gradient, Parameters};
use crate::recording::{BufferId, Recording};
use crate::shape::{pad_rows, strip_rows};

/// Where a layer's gradients are.
#[derive(Default)]
pub(super) struct Gradients {
    /// Those of the last backward pass that ran, or what they and those before add up to.
    sum: Option<Parameters>,
    /// Where a backward pass goes whose gradients are then added to `sum`; the two change places.
    next: Option<Parameters>,
    /// Whether `sum` holds gradients that no update has used.
    pending: bool,
    /// Whether no forward pass came after those of `sum`.
    pub(super) of_last: bool,
}

impl Gradients {
    /// All buffers.
    pub(super) fn buffers(&self) -> impl Iterator<Item = BufferId> {
        [self.sum, self.next].into_iter().flatten().flat_map(|parameters| parameters.buffers())
    }
}

/// Buffers for gradients, made where there are none.
async fn made(place: &mut Option<Parameters>, engine: &Engine, config: &LayerConfig) -> Result<Parameters, Error> {
    match place {
        Some(parameters) => Ok(*parameters),
        None => Ok(*place.insert(Parameters::create(engine, config).await?)),
    }
}

impl MoeLayer {
    /// Runs the last forward pass backward from `d_output`: `f32[T, d]`, or `f32[tasks, T, d]`, with the layer's weighted losses
    /// added. `options`: what to read, or all [`BackwardOptions`].
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] without a forward pass, [`Error::WrongLength`], or as [`MoeLayer::forward`]; for a reward
    /// [`Error::InvalidArgument`] where the router learns from none, or after a pass in which nothing was drawn because it was
    /// outside training, and [`Error::NonFinite`].
    pub async fn backward(
        &mut self,
        d_output: &[f32],
        options: impl Into<BackwardOptions>,
    ) -> Result<LayerGradients, Error> {
        let BackwardOptions { reward, accumulate, read } = options.into();
        let Some(Last { dims, of }) = &self.last else {
            return Err(Error::OutOfOrder { call: "backward", needs: "forward" });
        };
        let (dims, of, d) = (*dims, Gradient { rewarded: reward.is_some(), ..*of }, self.config.d_model);
        let tokens = dims.tokens as usize;
        let (got, wanted) = (d_output.len(), self.sizes.outputs * tokens * d);
        if got != wanted {
            let tasks = if self.sizes.outputs == 1 { String::new() } else { format!("{}, ", self.sizes.outputs) };
            return Err(Error::WrongLength {
                what: "dOutput".into(),
                got,
                wanted,
                shape: format!("[{tasks}{tokens}, {d}]"),
            });
        }
        if let Some(reward) = &reward {
            self.check_reward(reward, tokens, of.train)?;
        }
        self.prepare_backward(&dims).await?;
        let before = self.gradients.sum.filter(|_| accumulate && self.gradients.pending);
        let place = if before.is_some() { &mut self.gradients.next } else { &mut self.gradients.sum };
        let gradients = made(place, &self.engine, &self.config).await?;
        let mut rec = Recording::default();
        if let (Some(batch), Some(backward)) = (&self.batch, &self.backward) {
            rec.upload(backward.ends(of.train).given, pad_rows(d_output, d));
            if let Some(reward) = reward {
                rec.upload(backward.reward, reward);
            }
            let weights = (&self.weights, &gradients);
            layer::record_backward(&mut rec, &self.config, dims, (batch, backward), weights, of);
        } else {
            let g = &gradients;
            for buffer in [g.router, g.router_bias, g.w_in, g.b_in, g.w_out, g.b_out, g.embedding, g.arms] {
                rec.clear(buffer);
            }
        }
        if let Some(before) = &before {
            layer::record_sum(&mut rec, &self.config, &gradients, before);
        }
        let n = self.config.devices;
        for read in &read {
            match (read, &self.batch, &self.backward) {
                (BackwardRead::Weights, ..) => download(&mut rec, &gradients),
                (BackwardRead::X, Some(_), Some(w)) => {
                    rec.download_range(w.ends(of.train).told, 0..tokens * self.sizes.d)
                }
                (BackwardRead::Traffic, Some(_), Some(w)) if self.sizes.exchanges => rec.download(w.moved),
                (BackwardRead::Traffic, Some(b), _) => {
                    rec.download_range(b.demanded, 0..self.sizes.groups * self.sizes.experts)
                }
                (_, _, _) => {}
            }
        }
        if before.is_none() {
            // whatever happens, what was there is no longer
            (self.gradients.pending, self.gradients.of_last) = (false, false);
        }
        let mut downloads = self.engine.run(&rec).await?;
        if before.is_some() {
            std::mem::swap(&mut self.gradients.sum, &mut self.gradients.next);
        }
        (self.gradients.pending, self.gradients.of_last) = (true, true);
        let mut out = LayerGradients::default();
        for read in &read {
            match (read, &self.batch, &self.backward) {
                (BackwardRead::Weights, ..) => {
                    out.weights = Some(layer::unpack_gradients(&self.config, take(&mut downloads, &gradients)));
                }
                (BackwardRead::X, Some(_), Some(w)) => {
                    out.x = Some(strip_rows(downloads.take(w.ends(of.train).told), d))
                }
                (BackwardRead::X, ..) => out.x = Some(Vec::new()),
                (BackwardRead::Traffic, batch, _) => {
                    let moved = match batch {
                        None => vec![0; 4 * n * n],
                        Some(b) if !self.sizes.exchanges => self.kept_everywhere(&dims, &downloads.take(b.demanded)),
                        Some(b) => downloads.take(b.moved),
                    };
                    out.traffic = Some(layer::backward_traffic(&self.config, tokens, of.train, &moved));
                }
            }
        }
        Ok(out)
    }

    fn check_reward(&self, reward: &[f32], tokens: usize, train: bool) -> Result<(), Error> {
        let (what, got) = ("reward".to_owned(), "given".to_owned());
        if !self.sizes.rewards {
            return Err(Error::InvalidArgument { what, got, wanted: "left out: this router learns from none".into() });
        }
        if !train {
            return Err(Error::InvalidArgument { what, got, wanted: "left out after a pass outside training".into() });
        }
        if reward.len() != tokens {
            return Err(Error::WrongLength { what, got: reward.len(), wanted: tokens, shape: format!("[{tokens}]") });
        }
        match reward.iter().position(|reward| !reward.is_finite()) {
            Some(index) => Err(Error::NonFinite { what, index, value: reward[index].to_string() }),
            None => Ok(()),
        }
    }

    /// `weights −= learning_rate · gradients` of the last backward pass, on the device. A bandit learns the rewards of the passes whose
    /// gradients these are, whatever the rate.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] without a backward pass since the last forward one, [`Error::InvalidArgument`], or of the engine.
    pub async fn apply_sgd(&mut self, learning_rate: f32) -> Result<(), Error> {
        if !learning_rate.is_finite() {
            return Err(Error::InvalidArgument {
                what: "learningRate".into(),
                got: learning_rate.to_string(),
                wanted: "a finite number".into(),
            });
        }
        let (true, Some(gradients)) = (self.gradients.of_last, &self.gradients.sum) else {
            return Err(Error::OutOfOrder { call: "applyGradients", needs: "backward" });
        };
        let mut rec = Recording::default();
        layer::record_sgd(&mut rec, &self.config, &self.weights, gradients, learning_rate);
        self.engine.run(&rec).await?;
        self.gradients.pending = false;
        Ok(())
    }
}
