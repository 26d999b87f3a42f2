//! Tables of hash layers: what each kind of them promises.

use webmoe::error::Error;
use webmoe::rng::uniform_f32;
use webmoe::tables::{Embeddings, Recipe, clusters, counts, dispersed};

/// Counts of a corpus whose ids come as often as 1/rank (Zipf), in no order.
fn zipf(vocabulary: usize) -> Vec<u32> {
    (0..vocabulary).map(|id| (1_000_000 / (1 + id * 7919 % vocabulary)) as u32).collect()
}

/// What each expert gets of a corpus, as shares of one.
fn masses(table: &[u32], counts: &[u32], experts: usize) -> Vec<f64> {
    let mut masses = vec![0_u64; experts];
    table.iter().zip(counts).for_each(|(expert, count)| masses[*expert as usize] += u64::from(*count));
    let all: u64 = masses.iter().sum();
    masses.into_iter().map(|mass| mass as f64 / all as f64).collect()
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn members(table: &[u32], of: u32) -> Vec<usize> {
    (0..table.len()).filter(|id| table[*id] == of).collect()
}

/// `blobs` clouds of `size` embeddings each, far apart; id `i` is in cloud `i % blobs`.
fn clouds(blobs: usize, size: usize) -> Embeddings {
    let width = 3;
    let centre = |blob: usize, i: usize| 20.0 * uniform_f32(3, 0, 0, blob as u32, i as u32);
    let value = |id: usize, i: usize| centre(id % blobs, i) + 0.1 * uniform_f32(4, 0, 0, id as u32, i as u32);
    let values = (0..blobs * size).flat_map(|id| (0..width).map(move |i| value(id, i))).collect();
    Embeddings { values, width }
}

fn distance(embeddings: &Embeddings, id: usize, at: &[f64]) -> f64 {
    let row = &embeddings.values[id * embeddings.width..][..embeddings.width];
    row.iter().zip(at).map(|(v, at)| (f64::from(*v) - at).powi(2)).sum()
}

#[test]
fn no_expert_of_a_balanced_table_has_more_than_its_share_and_one_id() {
    for (vocabulary, experts) in [(1000, 16), (1000, 7), (10, 64), (50, 1)] {
        let counts = zipf(vocabulary);
        let table = Recipe::Balanced { counts: counts.clone() }.table(experts).expect("a table");
        let commonest =
            f64::from(counts.iter().copied().max().unwrap_or(0)) / counts.iter().map(|c| f64::from(*c)).sum::<f64>();
        let most = most(&masses(&table, &counts, experts));
        assert!(most <= 1.0 / experts as f64 + commonest, "{vocabulary} ids, {experts} experts: {most}");
    }
}

#[test]
fn a_balanced_table_gives_the_commonest_id_left_to_the_lightest_expert() {
    for (vocabulary, experts) in [(300, 16), (12, 5), (3, 8)] {
        let counts: Vec<u32> = zipf(vocabulary).iter().map(|count| count / 50_000).collect();
        let mut left: Vec<usize> = (0..vocabulary).collect();
        let (mut loads, mut want) = (vec![0; experts], vec![0; vocabulary]);
        while !left.is_empty() {
            let first = (0..left.len()).rev().max_by_key(|at| counts[left[*at]]).expect("an id is left");
            let id = left.remove(first);
            let lightest = (0..experts).min_by_key(|e| loads[*e]).expect("there are experts");
            want[id] = lightest as u32;
            loads[lightest] += counts[id];
        }
        assert_eq!(Recipe::Balanced { counts }.table(experts), Ok(want));
    }
}

#[test]
fn of_zipfs_law_a_balanced_table_makes_less_of_a_mess_than_a_random_one() {
    // the commonest of 1000 ids alone is 13.4 % of all tokens: 2.14 times the share of one of 16 experts
    let counts = zipf(1000);
    let of = |recipe: Recipe| 16.0 * most(&masses(&recipe.table(16).expect("a table"), &counts, 16));
    let balanced = of(Recipe::Balanced { counts: counts.clone() });
    assert!((balanced - 2.14).abs() < 0.01, "{balanced}");
    let random: Vec<f64> = (0..20).map(|seed| of(Recipe::Random { vocabulary: 1000, seed })).collect();
    assert!(random.iter().sum::<f64>() / 20.0 > 2.5, "{random:?}");
}

#[test]
fn a_random_table_gives_every_expert_its_share_of_ids_and_follows_its_seed() {
    let of = |seed| Recipe::Random { vocabulary: 100_000, seed }.table(10).expect("a table");
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(1 << 40 | 1), "the seed's high word counts");
    for expert in 0..10 {
        let got = members(&of(2), expert).len() as f64;
        // four standard deviations of a binomial distribution
        assert!((got - 10_000.0).abs() < 4.0 * 9000_f64.sqrt(), "expert {expert}: {got}");
    }
}

#[test]
fn clusters_are_the_clouds_that_there_are() {
    let embeddings = clouds(6, 20);
    let table = Recipe::Clustered { embeddings, seed: 5 }.table(6).expect("a table");
    for cloud in 0..6 {
        let first = table[cloud];
        assert!((cloud..120).step_by(6).all(|id| table[id] == first), "cloud {cloud} is one cluster");
    }
    assert!((0..6).all(|cluster| members(&table, cluster).len() == 20), "{table:?}");
}

#[test]
fn every_id_is_in_the_cluster_whose_mean_is_nearest() {
    let width = 4;
    let values = (0..300 * width as u32).map(|i| uniform_f32(9, 0, 0, i, 0)).collect();
    let embeddings = Embeddings { values, width };
    let of_id = clusters(&embeddings, 5, 0);
    let mean = |cluster: u32| -> Vec<f64> {
        let ids = members(&of_id, cluster);
        let sum = |i: usize| ids.iter().map(|id| f64::from(embeddings.values[id * width + i])).sum::<f64>();
        (0..width).map(|i| sum(i) / ids.len() as f64).collect()
    };
    let means: Vec<_> = (0..5).map(mean).collect();
    for (id, own) in of_id.iter().enumerate() {
        let own = distance(&embeddings, id, &means[*own as usize]);
        assert!(means.iter().all(|mean| own <= distance(&embeddings, id, mean) + 1e-12), "id {id}");
    }
}

#[test]
fn members_of_a_cluster_have_as_many_experts_as_they_can() {
    for (sizes, experts) in [(vec![7, 1, 12, 3, 30], 8), (vec![5, 5], 3), (vec![9], 1), (vec![2, 0, 4], 64)] {
        let of_id: Vec<u32> = (0..).zip(&sizes).flat_map(|(cluster, size)| vec![cluster; *size]).collect();
        // clusters lie across the vocabulary, not in runs
        let of_id: Vec<u32> = (0..of_id.len()).map(|i| of_id[i * 101 % of_id.len()]).collect();
        let table = dispersed(&of_id, experts);
        for (cluster, size) in sizes.iter().enumerate() {
            let mut distinct: Vec<u32> = members(&of_id, cluster as u32).into_iter().map(|id| table[id]).collect();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), experts.min(*size), "{size} members, {experts} experts");
        }
        let loads: Vec<usize> = (0..experts as u32).map(|e| members(&table, e).len()).collect();
        assert!(loads.iter().max() <= loads.iter().min().map(|least| least + 1).as_ref(), "{loads:?}");
    }
}

#[test]
fn a_dispersed_table_spreads_the_clusters_that_a_clustered_one_keeps_together() {
    let embeddings = clouds(4, 9);
    let together = Recipe::Clustered { embeddings: embeddings.clone(), seed: 2 }.table(4).expect("a table");
    let apart = Recipe::Dispersed { embeddings, seed: 2 }.table(4).expect("a table");
    assert_eq!(apart, dispersed(&together, 4));
    assert_ne!(apart, together);
}

#[test]
fn clusters_without_anything_to_tell_apart_are_one_and_the_rest_are_empty() {
    let alike = Embeddings { values: vec![0.5; 12], width: 2 };
    assert_eq!(clusters(&alike, 4, 0), [0; 6]);
    assert_eq!(clusters(&clouds(3, 4), 1, 0), [0; 12]);
}

#[test]
fn a_corpus_is_counted_and_ids_beyond_the_vocabulary_are_refused() {
    assert_eq!(counts(&[2, 0, 2, 2], 4), Ok(vec![1, 0, 3, 0]));
    let error = counts(&[1, 4], 4).expect_err("there is no id 4");
    assert!(matches!(&error, Error::InvalidArgument { what, .. } if what == "tokenIds[1]"), "{error}");
}

#[test]
fn a_recipe_without_ids_experts_or_whole_rows_says_what_is_wrong() {
    let clustered = |values, width| Recipe::Clustered { embeddings: Embeddings { values, width }, seed: 0 };
    let of = |recipe: Recipe, experts| recipe.table(experts).expect_err("nothing can be made of it").to_string();
    assert!(of(Recipe::Random { vocabulary: 0, seed: 0 }, 4).contains("`vocabulary` is of 0 ids"));
    assert!(of(Recipe::Random { vocabulary: 1 << 30, seed: 0 }, 4).contains("of 1 to 16777216 ids"));
    assert!(of(Recipe::Balanced { counts: vec![1] }, 0).contains("`experts` is 0"));
    assert!(of(Recipe::Balanced { counts: vec![] }, 4).contains("`counts` is of 0 ids"));
    assert!(of(clustered(vec![1.0; 6], 0), 4).contains("`width` is 0"));
    assert!(of(clustered(vec![1.0; 5], 2), 4).contains("`embeddings` has 5 values"));
    assert!(of(clustered(vec![1.0, f32::NAN], 2), 4).contains("`embeddings[1]` is NaN"));
    assert!(of(clustered(vec![], 2), 4).contains("`embeddings` is of 0 ids"));
}
