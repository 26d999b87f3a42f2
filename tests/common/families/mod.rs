//! One file for each family of fixtures: whose code it records, and how its case is said as a layer.

pub mod aux_losses;
pub mod base;
pub mod combine;
pub mod experts_choose;
pub mod ffn_big;
pub mod flaxformer;
pub mod gshard;
pub mod huggingface;
pub mod lucidrains;
pub mod megatron;
pub mod noisy_top_k;
pub mod pot;
mod rows;
pub mod soft_moe;
pub mod st_moe;
