//! The exact optimum of an assignment, by minimum-cost flow: what assignments are measured against.

use webmoe::reference::routing::Scores;

/// An edge of the flow network, its reverse at the next index (or the one before).
struct Edge {
    to: usize,
    room: usize,
    cost: f64,
}

/// The largest total score of a plan with at most `c` tokens for each expert and `b` experts for each token, among those with
/// the most pairs, and the plan.
///
/// Successive shortest paths (Ahuja, Magnanti, Orlin 1993, chapter 9): each path adds one pair at the least cost, and
/// with whole capacities the flow is whole.
pub fn optimum(scores: Scores, c: usize, b: usize) -> (f64, Vec<(usize, usize)>) {
    let (tokens, experts) = (scores.tokens(), scores.experts());
    let (source, sink) = (tokens + experts, tokens + experts + 1);
    let mut edges = Vec::new();
    let mut out = vec![Vec::new(); tokens + experts + 2];
    let mut join = |from: usize, to: usize, room: usize, cost: f64| {
        out[from].push(edges.len());
        edges.push(Edge { to, room, cost });
        out[to].push(edges.len());
        edges.push(Edge { to: from, room: 0, cost: -cost });
    };
    for token in 0..tokens {
        (0..experts).for_each(|expert| join(tokens + expert, token, 1, -scores.at(token, expert)));
    }
    (0..experts).for_each(|expert| join(source, tokens + expert, c, 0.0));
    (0..tokens).for_each(|token| join(token, sink, b, 0.0));
    while let Some(path) = shortest_path(&edges, &out, source, sink) {
        for edge in path {
            edges[edge].room -= 1;
            edges[edge ^ 1].room += 1;
        }
    }
    let taken = |&i: &usize| edges[2 * i].room == 0;
    let pairs: Vec<_> = (0..tokens * experts).filter(taken).map(|i| (i / experts, i % experts)).collect();
    (pairs.iter().map(|&(token, expert)| scores.at(token, expert)).sum(), pairs)
}

/// The edges of a path of least cost, by Bellman's relaxation with a queue.
fn shortest_path(edges: &[Edge], out: &[Vec<usize>], source: usize, sink: usize) -> Option<Vec<usize>> {
    let mut cost = vec![f64::INFINITY; out.len()];
    let mut through = vec![None; out.len()];
    let mut queued = vec![false; out.len()];
    cost[source] = 0.0;
    let mut queue = std::collections::VecDeque::from([source]);
    while let Some(from) = queue.pop_front() {
        queued[from] = false;
        for &i in &out[from] {
            let (edge, next) = (&edges[i], cost[from] + edges[i].cost);
            // The margin keeps rounding from going round in circles.
            if edge.room > 0 && next < cost[edge.to] - 1e-11 {
                cost[edge.to] = next;
                through[edge.to] = Some(i);
                if !std::mem::replace(&mut queued[edge.to], true) {
                    queue.push_back(edge.to);
                }
            }
        }
    }
    let mut path = Vec::new();
    let mut at = sink;
    while at != source {
        let i = through[at]?;
        path.push(i);
        at = edges[i ^ 1].to;
    }
    Some(path)
}
