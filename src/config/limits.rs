//! The ranges of the numbers in a description.

use std::ops::RangeInclusive;

/// Widths `dModel` and `dFf`: a weight gradient has a row of workgroups for every 16 of up to twice `dFf`, and a grid has
/// 65,535 rows.
pub(super) const WIDTH: RangeInclusive<usize> = 1..=1 << 18;
/// Sizes that no grid depends on: the shared expert's `dFf`, which is cut into pieces, and the multiple of a capacity.
pub(super) const SIZE: RangeInclusive<usize> = 1..=1 << 20;
/// Experts of a layer; the selection kernel holds a token's scores in workgroup memory.
pub(super) const EXPERTS: RangeInclusive<usize> = 1..=1024;
/// Tasks of a task router.
pub(super) const TASKS: RangeInclusive<usize> = 1..=1 << 16;
/// Choices of a token; how many of them there are experts for is checked with the layer.
pub(super) const CHOICES: RangeInclusive<usize> = 1..=1 << 20;
/// Tasks of a layer with a gate for each: a kernel keeps something of each in registers.
pub(super) const GATES: RangeInclusive<usize> = 1..=64;
/// Slots of all experts that get mixtures of a group's tokens: a kernel has a workgroup for each, and a grid 65,535.
pub(super) const MOST_MIXTURES: usize = 65_535;
/// Such slots of one expert.
pub(super) const MIXTURES: RangeInclusive<usize> = 1..=MOST_MIXTURES;
/// Virtual devices.
pub(super) const DEVICES: RangeInclusive<usize> = 1..=64;
/// Routing groups.
pub(super) const GROUPS: RangeInclusive<usize> = 1..=1 << 16;
/// Slots of an expert in a group.
pub(super) const SLOTS: RangeInclusive<usize> = 0..=1 << 24;
/// Largest seed: the whole numbers that JavaScript writes exactly.
pub(super) const MAX_SEED: u64 = (1 << 53) - 1;
/// Largest capacity factor: beyond it no group of tokens can be short of slots.
pub(super) const MAX_FACTOR: f64 = 1e6;
/// Iterations of a solver: each is a dispatch or two, all of them recorded before it is known how many are needed.
pub(super) const ITERATIONS: RangeInclusive<usize> = 1..=1000;
/// Rounds that may follow a solver, recorded as its iterations are.
pub(super) const TRADES: RangeInclusive<usize> = 0..=1000;
/// Steps of training that a router's settings may speak of.
pub(super) const STEPS: RangeInclusive<usize> = 1..=1 << 30;
/// Ids of a bandit's vocabulary; how many there is room for is checked with the experts.
pub(super) const VOCABULARY: RangeInclusive<usize> = 1..=ARMS;
/// Pairs of an id and an expert that a layer remembers two numbers of: 128 MiB, the base limit of a binding.
pub(super) const ARMS: usize = 1 << 24;
