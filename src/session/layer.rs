//! A layer on an engine.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::backward::Gradients;
use super::mixtures;
use super::types::{ForwardOptions, LayerOutput, Read, Routing};
use crate::config::{Capacity, Domain, Exchanges, LayerConfig, RouterConfig};
use crate::engine::{Downloads, Engine};
use crate::error::Error;
use crate::init::init;
use crate::kernels::{DECLINED, DROPPED, Dims, LOSS_NAMES, MOST_EXPERTS};
use crate::labels::Labels;
use crate::layer::{self, Backward, Batch, ForwardPass, Gradient, Packed, Parameters, Sizes};
use crate::recording::Recording;
use crate::router::{self, Solver};
use crate::shape::{pad_rows, strip_rows};
use crate::weights::{LayerWeights, check_array, select_experts};

/// The last forward pass.
pub(super) struct Last {
    pub(super) dims: Dims,
    pub(super) of: Gradient,
}

/// A sparse layer: weights on a device, and the buffers of the last batch.
pub struct MoeLayer {
    pub(super) engine: Rc<Engine>,
    pub(super) config: LayerConfig,
    pub(super) sizes: Sizes,
    pub(super) weights: Parameters,
    pub(super) batch: Option<Batch>,
    pub(super) backward: Option<Backward>,
    pub(super) gradients: Gradients,
    pub(super) last: Option<Last>,
}

impl MoeLayer {
    pub(super) async fn create(engine: Rc<Engine>, config: LayerConfig) -> Result<Self, Error> {
        config.check()?;
        let sizes = Sizes::of(&config);
        if sizes.all() > MOST_EXPERTS {
            return Err(Error::InvalidConfig {
                field: "sharedExpert.dFf".into(),
                got: format!("{}, {} times dFf", config.shared_expert.map_or(0, |s| s.d_ff), sizes.units),
                wanted: format!("small enough that experts + sharedExpert.dFf / dFf is at most {MOST_EXPERTS}"),
            });
        }
        let weights = Parameters::create(&engine, &config).await?;
        let layer = MoeLayer {
            engine,
            sizes,
            weights,
            batch: None,
            backward: None,
            gradients: Gradients::default(),
            last: None,
            config,
        };
        layer.upload(&init(&layer.config)).await?;
        Ok(layer)
    }

    /// The checked description, defaults filled in.
    pub fn config(&self) -> &LayerConfig {
        &self.config
    }

    async fn upload(&self, weights: &LayerWeights) -> Result<(), Error> {
        let packed = layer::pack(&self.config, weights);
        let mut rec = Recording::default();
        rec.upload(self.weights.router, packed.router);
        rec.upload(self.weights.router_bias, packed.router_bias);
        rec.upload(self.weights.constants, router::constants(&self.config));
        rec.upload(self.weights.widths, layer::widths(&self.config));
        rec.upload(self.weights.w_in, packed.w_in);
        rec.upload(self.weights.b_in, packed.b_in);
        rec.upload(self.weights.w_out, packed.w_out);
        rec.upload(self.weights.b_out, packed.b_out);
        rec.upload(self.weights.embedding, packed.embedding);
        rec.upload(self.weights.thresholds, packed.thresholds);
        rec.upload(self.weights.arms, packed.arms);
        self.engine.run(&rec).await.map(drop)
    }

    /// The weights.
    ///
    /// # Errors
    /// Of the engine.
    pub async fn weights(&self) -> Result<LayerWeights, Error> {
        let mut rec = Recording::default();
        download(&mut rec, &self.weights);
        rec.download(self.weights.arms);
        let mut downloads = self.engine.run(&rec).await?;
        let learned = take(&mut downloads, &self.weights);
        Ok(layer::unpack(&self.config, Packed { arms: downloads.take(self.weights.arms), ..learned }))
    }

    /// Replaces the given arrays; all are checked before any is written.
    ///
    /// # Errors
    /// [`Error::UnknownWeights`], [`Error::WrongLength`] or [`Error::NonFinite`], by name; then nothing has changed.
    pub async fn set_weights(&mut self, given: Vec<(String, Vec<f32>)>) -> Result<(), Error> {
        for (name, values) in &given {
            check_array(&self.config, name, values)?;
        }
        let mut weights = self.weights().await?;
        for (name, values) in given {
            weights.get_mut(&name).expect("the name was checked").copy_from_slice(&values);
        }
        self.upload(&weights).await
    }

    /// The `k` experts of a task as a layer of their own: one device's, dropless, with a mixture of the task's weights. Of tokens of the
    /// task it makes, bit for bit, what this layer makes, if that drops none.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another router, a task that is not there, or identities; or of the engine.
    pub async fn task_network(&self, task: u32) -> Result<(LayerConfig, LayerWeights), Error> {
        let RouterConfig::Task(_) = &self.config.router else {
            let (what, got) = ("taskNetwork".into(), "called on a layer with another router".into());
            return Err(Error::InvalidArgument { what, got, wanted: "called on one of kind \"task\"".into() });
        };
        let alone = LayerConfig {
            capacity: Capacity::Dropless,
            groups: 1,
            devices: 1,
            loss_weights: BTreeMap::new(),
            ..self.config.clone()
        };
        let weights = self.weights().await?;
        let mut asked = Self::create(self.engine.clone(), alone.clone()).await?;
        asked.upload(&weights).await?;
        let labels = Labels { task: Some(vec![task]), ..Labels::NONE };
        let options = ForwardOptions { labels, read: vec![Read::Routing], ..ForwardOptions::default() };
        let routing = asked.forward(&vec![0.0; alone.d_model], &options).await?.routing.unwrap_or_default();
        let experts: Vec<usize> = routing.experts.iter().map(|expert| *expert as usize).collect();
        let router = Domain { mixture: Some(routing.weights), exchange: Exchanges::All2all };
        select_experts(&alone, &weights, &experts, RouterConfig::Domain(router))
    }

    /// Runs the layer on `x`: `f32[T, d]`, row-major.
    ///
    /// # Errors
    /// [`Error::PartialToken`], [`Error::TokensNotDivisible`], [`Error::TooLarge`], [`Error::OutOfMemory`], of the engine, or
    /// [`Error::InvalidArgument`] for something to be read that is not computed, or a pass too many.
    pub async fn forward(&mut self, x: &[f32], options: &ForwardOptions) -> Result<LayerOutput, Error> {
        let d = self.config.d_model;
        if !x.len().is_multiple_of(d) {
            return Err(Error::PartialToken { what: "x".into(), got: x.len(), d_model: d });
        }
        options.check()?;
        let tokens = x.len() / d;
        let dims = self.sizes.dims(&self.config, tokens, options.train, (options.step, options.pass))?;
        let labels = router::labels(&self.config, &options.labels, tokens, options.train)?;
        let draws = router::draws(&self.config, options.draws.as_deref(), tokens, options.train)?;
        let places = router::shuffled(&self.config, tokens, options.train, (options.step, options.pass));
        self.prepare(&dims, options.train).await?;
        let mut rec = Recording::default();
        let keep = if options.train { self.backward.as_ref().map(|b| b.before) } else { None };
        if let Some(batch) = &self.batch {
            rec.upload(batch.ends(options.train).given, pad_rows(x, d));
            if let Some(places) = &places {
                rec.upload(batch.places, places.clone());
            }
            if let Some(labels) = labels {
                rec.upload(batch.labels, labels);
            }
            if let Some(draws) = draws {
                rec.upload(batch.noisy.noise, draws.to_vec());
            }
            let pass = ForwardPass { train: options.train, drawn: draws.is_some(), keep };
            let record = if options.route_only { layer::record_routing } else { layer::record_forward };
            record(&mut rec, &self.config, dims, batch, &self.weights, pass);
            self.record_reads(&mut rec, &dims, batch, options);
        }
        // whatever happens below, the buffers no longer hold the pass before
        self.last = None;
        self.gradients.of_last = false;
        let downloads = self.engine.run(&rec).await?;
        let of = Gradient { train: options.train, kept: keep.is_some(), rewarded: false };
        self.last = (!options.route_only).then_some(Last { dims, of });
        Ok(match &self.batch {
            Some(batch) => self.output(&dims, batch, options, places.as_deref(), downloads),
            None => self.empty_output(options),
        })
    }

    /// Makes sure that buffers for the batch exist: none for no tokens, those of backward in training. The last batch goes
    /// only once there is room for the new one, so that a batch that does not fit changes nothing.
    async fn prepare(&mut self, dims: &Dims, train: bool) -> Result<(), Error> {
        let tokens = dims.tokens as usize;
        if tokens == 0 {
            self.release_batch();
        } else if self.batch.as_ref().is_none_or(|b| b.tokens != tokens) {
            let batch = Batch::create(&self.engine, &self.sizes, dims).await?;
            let backward = match train {
                false => None,
                true => match Backward::create(&self.engine, &self.sizes, dims, &batch).await {
                    Ok(backward) => Some(backward),
                    Err(error) => {
                        batch.destroy(&self.engine);
                        return Err(error);
                    }
                },
            };
            self.release_batch();
            (self.batch, self.backward) = (Some(batch), backward);
        } else if train {
            self.prepare_backward(dims).await?;
        }
        Ok(())
    }

    pub(super) async fn prepare_backward(&mut self, dims: &Dims) -> Result<(), Error> {
        if let (Some(batch), None) = (&self.batch, &self.backward) {
            self.backward = Some(Backward::create(&self.engine, &self.sizes, dims, batch).await?);
        }
        Ok(())
    }

    fn release_batch(&mut self) {
        self.last = None;
        if let Some(backward) = self.backward.take() {
            backward.destroy(&self.engine);
        }
        if let Some(batch) = self.batch.take() {
            batch.destroy(&self.engine);
        }
    }

    fn record_reads(&self, rec: &mut Recording, dims: &Dims, b: &Batch, options: &ForwardOptions) {
        let s = &self.sizes;
        if options.read.contains(&Read::Losses) {
            layer::record_losses(rec, &self.config, *dims, b, options.train);
        }
        for read in &options.read {
            match read {
                Read::Output => rec.download_range(b.ends(options.train).told, 0..s.outputs * b.tokens * s.d),
                Read::Routing if s.mixtures > 0 => {
                    rec.download_range(b.router, 2 * b.tokens * s.stride..3 * b.tokens * s.stride)
                }
                Read::Routing => {
                    rec.download_range(b.expert_of, 0..b.tokens * s.k);
                    rec.download_range(b.weight, 0..s.outputs * b.tokens * s.columns());
                    rec.download_range(b.placement, 0..2 * b.tokens * s.columns());
                    rec.download_range(b.demanded, 0..s.groups * s.experts);
                }
                Read::Losses => rec.download_range(b.losses, 0..LOSS_NAMES.len() * s.groups),
                Read::Traffic => {
                    if s.exchanges || s.handshake {
                        rec.download_range(b.moved, 0..s.counters());
                    }
                    if !s.exchanges {
                        rec.download_range(b.demanded, 0..s.groups * s.experts);
                    }
                }
                Read::Scores => rec.download_range(b.router, b.tokens * s.stride..2 * b.tokens * s.stride),
                Read::Solver => match s.groups * router::report_words(&self.config, options.train) {
                    0 => {}
                    words => rec.download_range(b.solver, 0..words),
                },
            }
        }
    }

    /// `places`: `[T]`, where each token stood while it was routed, if the tokens were shuffled.
    fn output(
        &self,
        dims: &Dims,
        b: &Batch,
        options: &ForwardOptions,
        places: Option<&[u32]>,
        mut downloads: Downloads,
    ) -> LayerOutput {
        let s = &self.sizes;
        let mut out = LayerOutput::default();
        for read in &options.read {
            match read {
                Read::Output => {
                    out.output = Some(strip_rows(downloads.take(b.ends(options.train).told), self.config.d_model))
                }
                Read::Routing if s.mixtures > 0 => {
                    out.routing = Some(mixtures::routing(&self.config, s, &downloads.take(b.router)));
                }
                Read::Routing => {
                    let experts = in_order(places, downloads.take(b.expert_of));
                    let weights = in_order(places, downloads.take(b.weight));
                    let placement = in_order(places, downloads.take(b.placement));
                    out.routing = Some(self.routing(dims, experts, &weights, &placement, &downloads.take(b.demanded)));
                }
                Read::Losses => out.losses = Some(self.losses(&downloads.take(b.losses))),
                Read::Traffic => {
                    let counted = if s.exchanges || s.handshake { downloads.take(b.moved) } else { Vec::new() };
                    let moved = match s.exchanges {
                        true => counted,
                        false => {
                            let kept = self.kept_everywhere(dims, &downloads.take(b.demanded));
                            if s.handshake { [&kept[..2], &counted[2..]].concat() } else { kept }
                        }
                    };
                    out.traffic = Some(layer::forward_traffic(&self.config, b.tokens, options.train, &moved));
                }
                Read::Scores => {
                    let (rows, scored) =
                        (in_order(places, downloads.take(b.router)), self.config.router.scored(s.experts));
                    out.scores = Some(rows.chunks_exact(s.stride).flat_map(|row| &row[..scored]).copied().collect());
                }
                Read::Solver if router::report_words(&self.config, options.train) == 0 => {}
                Read::Solver => out.solver = Solver::of(&self.config, &downloads.take(b.solver)),
            }
        }
        out
    }

    /// Those of the losses that the router defines, as means over groups.
    fn losses(&self, of_groups: &[f32]) -> Vec<(&'static str, f32)> {
        let mean =
            |i: usize| of_groups.iter().skip(i).step_by(LOSS_NAMES.len()).sum::<f32>() / self.sizes.groups as f32;
        let all = LOSS_NAMES.iter().enumerate().map(|(i, name)| (*name, mean(i)));
        let found: Vec<&str> = self.config.losses().collect();
        all.filter(|(name, _)| found.contains(name)).collect()
    }

    /// Where nothing moves, every kept row stays, in both exchanges of a pass, and every token in those of a shuffle.
    pub(super) fn kept_everywhere(&self, dims: &Dims, demanded: &[u32]) -> Vec<u32> {
        let kept = demanded.iter().map(|d| d.min(&dims.slots)).sum();
        vec![kept, kept, dims.tokens, dims.tokens]
    }

    fn routing(&self, dims: &Dims, experts: Vec<u32>, weights: &[f32], placement: &[u32], demanded: &[u32]) -> Routing {
        let s = &self.sizes;
        let positions: Vec<i32> = placement
            .chunks_exact(2 * s.columns())
            .flat_map(|token| token.chunks_exact(2).take(s.k))
            .map(|p| if p[0] == DROPPED { -1 } else { p[0] as i32 })
            .collect();
        let over_groups = |of: &dyn Fn(u32) -> u32| {
            (0..s.experts).map(|e| demanded.iter().skip(e).step_by(s.experts).map(|d| of(*d)).sum()).collect()
        };
        Routing {
            tokens: dims.tokens as usize,
            slots: s.k,
            experts: experts.into_iter().map(|e| if e < DECLINED { e as i32 } else { -1 }).collect(),
            weights: weights.chunks_exact(s.columns()).flat_map(|token| &token[..s.k]).copied().collect(),
            kept: positions.iter().map(|p| u8::from(*p >= 0)).collect(),
            positions,
            demanded: over_groups(&|d| d),
            load: over_groups(&|d| d.min(dims.slots)),
        }
    }

    /// What a batch of no tokens brings back.
    fn empty_output(&self, options: &ForwardOptions) -> LayerOutput {
        let mut out = LayerOutput::default();
        for read in &options.read {
            match read {
                Read::Output => out.output = Some(Vec::new()),
                Read::Scores => out.scores = Some(Vec::new()),
                Read::Solver => {}
                Read::Losses => out.losses = Some(self.losses(&vec![0.0; LOSS_NAMES.len() * self.sizes.groups])),
                Read::Traffic => {
                    out.traffic =
                        Some(layer::forward_traffic(&self.config, 0, options.train, &vec![0; self.sizes.counters()]))
                }
                Read::Routing => {
                    let none = vec![0; self.config.experts];
                    let routing =
                        Routing { slots: self.config.k(), demanded: none.clone(), load: none, ..Routing::default() };
                    out.routing = Some(routing);
                }
            }
        }
        out
    }
}

impl Drop for MoeLayer {
    fn drop(&mut self) {
        self.release_batch();
        let all = self.weights.buffers().into_iter().chain(self.gradients.buffers());
        all.for_each(|b| self.engine.destroy(b));
    }
}

/// Rows of as many values each, one a token, in the caller's order.
fn in_order<T: Copy>(places: Option<&[u32]>, rows: Vec<T>) -> Vec<T> {
    let Some(places) = places else { return rows };
    let width = rows.len() / places.len();
    places.iter().flat_map(|place| &rows[*place as usize * width..][..width]).copied().collect()
}

/// Brings back what has a gradient, or these gradients.
pub(super) fn download(rec: &mut Recording, p: &Parameters) {
    for buffer in [p.router, p.router_bias, p.w_in, p.b_in, p.w_out, p.b_out, p.embedding, p.thresholds] {
        rec.download(buffer);
    }
}

/// What [`download`] brought back.
pub(super) fn take(downloads: &mut Downloads, p: &Parameters) -> Packed {
    Packed {
        router: downloads.take(p.router),
        router_bias: downloads.take(p.router_bias),
        w_in: downloads.take(p.w_in),
        b_in: downloads.take(p.b_in),
        w_out: downloads.take(p.w_out),
        b_out: downloads.take(p.b_out),
        embedding: downloads.take(p.embedding),
        thresholds: downloads.take(p.thresholds),
        ..Packed::default()
    }
}
