//! Search on codes on the CPU.
//!
//! Rows are scored in tiles. A tile has rows of one region. Their codes are unpacked into cache once, and
//! multiplied with all queries that are answered together:
//!
//! ```text
//! values [rows, latents] = entries of tables, or 8-bit codes
//! keys [queries, rows]   = a (queries values^T) + b centers + o
//! ```
//!
//! Queries are multiplied with codes in integers where the machine is faster with them ([`mod@integers`]). Values of one
//! query need not be written then.
//! An approximate search leaves out the regions of which a query expects little ([`mod@probes`]).
//!
//! Threads take turns from one list, of one or several tiles each ([`mod@turns`]), and each has its own best rows of
//! every query. A threshold that one thread has found serves all.

mod exact;
mod integers;
mod load;
mod probes;
mod terms;
mod tile;
mod turns;

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use exact::Exact;
use integers::Integers;
pub(crate) use load::load;
use probes::probes;
use tile::{Asked, Scratch};
use turns::Turns;

use super::threads;
use crate::error::Result;
use crate::model::Model;
use crate::search::{Best, Candidate, ProductError, Queries, Threshold, View, slacks};

/// Bytes of the best rows of all queries that a thread answers together.
const BEST_BYTES: usize = 32 << 20;
/// Bytes of queries in the latent spaces of all regions.
const QUERY_BYTES: usize = 128 << 20;
/// Queries that are answered together: more would not make the product faster.
const MAX_QUERIES: usize = 1024;

/// How many queries to answer together, of `k` hits each.
pub(crate) fn queries_at_once(model: &Model, k: usize) -> usize {
    let latents: usize =
        (0..model.region_count()).map(|region| model.region(region).decoder.inputs).sum();
    let best = Best::capacity(k).saturating_mul(size_of::<Candidate>());
    let max = (BEST_BYTES / best).min(QUERY_BYTES / (latents * size_of::<f32>()));
    max.clamp(1, MAX_QUERIES)
}

/// The `k` best rows of each query, best first, with their exact keys. With a recall below 1, about that share of
/// them.
///
/// # Errors
/// A query is so large that keys may leave the range of `f32`.
pub(crate) fn search(
    model: &Model,
    views: &[View<'_>],
    queries: &Queries,
    k: usize,
    recall: f32,
) -> Result<Vec<Vec<Candidate>>> {
    let probes = probes(model, views, queries, k, recall);
    let is_asked = |region: usize| probes.as_ref().is_none_or(|probes| !probes[region].is_empty());
    // The queries that look at a region, and their numbers.
    let asked = |region: usize| {
        let all = queries.region(region);
        let (chosen, numbers) = match &probes {
            None => (Cow::Borrowed(all), (0..all.count()).collect()),
            Some(probes) => (Cow::Owned(all.select(&probes[region])), probes[region].clone()),
        };
        let rows = views.iter().map(|view| view.listing().region(region).len()).sum();
        let integers = Integers::new(model, region, &chosen, rows);
        (Asked { metric: queries.metric, queries: chosen, integers }, numbers)
    };
    let asked: Vec<(Asked<'_>, Vec<usize>)> =
        (0..model.region_count()).into_par_iter().map(asked).collect();
    let has_tables = |region: usize| asked[region].0.has_tables();
    let Turns { tiles, turns } = Turns::new(model, views, queries.count(), has_tables, is_asked);
    let mut errors = vec![ProductError::default(); queries.count()];
    for (asked, numbers) in &asked {
        let of_region = asked.integers.iter().flat_map(Integers::errors);
        numbers.iter().zip(of_region).for_each(|(query, e)| errors[*query] = errors[*query].max(e));
    }
    let slacks = slacks(model, views, queries, &errors)?;
    let next = AtomicUsize::new(0);
    let thresholds: Vec<Threshold> = slacks.iter().map(|_| Threshold::new()).collect();
    let exact = || Exact::new(model, views, queries);
    let worker = |_| {
        let exact = exact();
        let mut best: Vec<Best> = slacks.iter().map(|slack| Best::new(k, *slack)).collect();
        let mut scratch = Scratch::default();
        while let Some(turn) = turns.get(next.fetch_add(1, Ordering::Relaxed)) {
            turn.start(views);
            for tile in &tiles[turn.tiles.clone()] {
                let (asked, numbers) = &asked[tile.region];
                for (threshold, &number) in scratch.start(numbers.len()).iter_mut().zip(numbers) {
                    *threshold = thresholds[number].raise(best[number].threshold());
                }
                let view = &views[tile.view];
                tile.score(model, view, asked, &mut scratch, |query, row, key| {
                    let query = numbers[query];
                    let best = &mut best[query];
                    if view.is_allowed(row) {
                        let row = view.first_row + u64::from(row);
                        best.offer(key, row, |row| exact.key(row, query));
                    }
                    best.threshold()
                });
            }
        }
        best
    };
    let workers = threads().min(turns.len()).max(1);
    let mut found: Vec<Vec<Best>> = (0..workers).into_par_iter().map(worker).collect();
    let mut all = found.pop().unwrap_or_default();
    for other in found {
        all.iter_mut().zip(other).for_each(|(best, other)| best.extend(other));
    }
    let finish = |exact: &mut Exact<'_>, (query, best): (usize, Best)| {
        best.finish(|row| exact.key(row, query))
    };
    Ok(all.into_par_iter().enumerate().map_init(exact, finish).collect())
}

/// The exact keys of candidates, and the `k` best of each query, best first.
///
/// # Errors
/// A query is so large that keys may leave the range of `f32`.
pub(crate) fn rank(
    model: &Model,
    views: &[View<'_>],
    queries: &Queries,
    candidates: &[Vec<u64>],
    k: usize,
) -> Result<Vec<Vec<Candidate>>> {
    slacks(model, views, queries, &[])?;
    let rank = |exact: &mut Exact<'_>, (query, rows): (usize, &Vec<u64>)| {
        let rows = rows.iter().map(|&row| Candidate { key: 0.0, row }).collect();
        crate::search::ranked(rows, k, |row| exact.key(row, query))
    };
    let exact = || Exact::new(model, views, queries);
    Ok(candidates.par_iter().enumerate().map_init(exact, rank).collect())
}
