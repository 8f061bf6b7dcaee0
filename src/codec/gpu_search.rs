//! Searches on a GPU: the rows that the hits of each query are among.

use std::sync::{Arc, OnceLock};

use wgpu::CommandEncoder;

use super::loaded_batch::LoadedBatch;
use crate::error::{Error, Result};
use crate::gpu::{
    Gpu, MAX_HITS, RecordPool, RecordedQueries, ResidentRows, RowBudget, SearchPool,
    SearchPrograms, Searched, is_possible,
};
use crate::model::Model;
use crate::search::{Metric, ScaledQueries, View};

/// Bytes of idle buffers of searches.
const IDLE_BYTES: u64 = 512 << 20;
/// So few rows, which a filter has left, are scored on the CPU: a GPU would score all others with them.
const FEW_ROWS: usize = 1 << 16;

/// What an engine has for searches. Programs are compiled at the first search with their metric.
pub(super) struct GpuSearches {
    gpu: Gpu,
    programs: [OnceLock<Arc<SearchPrograms>>; Metric::ALL.len()],
    pool: SearchPool,
    recorded: RecordPool,
    rows: RowBudget,
}

impl GpuSearches {
    /// The buffers of all searches take at most `budget` bytes, and so do the rows of all indexes.
    pub(super) fn new(gpu: Gpu, budget: u64) -> Self {
        Self {
            gpu,
            programs: Default::default(),
            pool: SearchPool::new(IDLE_BYTES, budget),
            recorded: RecordPool::new(IDLE_BYTES, budget),
            rows: RowBudget::new(budget),
        }
    }

    fn programs(&self, model: &Model, metric: Metric) -> Result<Arc<SearchPrograms>> {
        let number = Metric::ALL.iter().position(|found| *found == metric);
        let cell = &self.programs[number.expect("all metrics are listed")];
        if let Some(programs) = cell.get() {
            return Ok(programs.clone());
        }
        let programs = SearchPrograms::new(&self.gpu, model, metric)?;
        Ok(cell.get_or_init(|| Arc::new(programs)).clone())
    }

    pub(super) fn queries_at_once(&self, model: &Model, metric: Metric, k: usize) -> Result<usize> {
        let dim = model.config().dim;
        Ok(self.programs(model, metric)?.queries_at_once(&self.gpu, dim, k))
    }

    /// Whether the GPU searches these rows. It does not where few rows are left to search, or very many hits are
    /// wanted.
    pub(super) fn suits(&self, views: &[View<'_>], k: usize) -> bool {
        let rows = views.iter().map(|view| view.batch.row_count() as u64).sum();
        let listed: Option<usize> =
            views.iter().map(|view| Some(view.listing.as_ref()?.row_count())).sum();
        is_possible(&self.gpu, rows, k) && listed.is_none_or(|rows| rows > FEW_ROWS)
    }

    /// Records a search.
    ///
    /// # Errors
    /// More hits, rows or queries than a device searches at a time; the GPU's memory is full, or the GPU is lost.
    pub(super) fn record(
        &self,
        model: &Model,
        metric: Metric,
        views: &[View<'_>],
        resident: &[Arc<ResidentRows>],
        encoder: &mut CommandEncoder,
        recorded: RecordedQueries<'_>,
    ) -> Result<()> {
        let RecordedQueries { queries, k, .. } = recorded;
        let programs = self.programs(model, metric)?;
        let rows = views.iter().map(|view| view.batch.row_count() as u64).sum();
        let max_queries = programs.max_recorded(&self.gpu, model.config().dim, k);
        for (what, required, available, remedy) in [
            ("hits of a recorded search", k as u64, MAX_HITS as u64, "call Index::search"),
            // They are numbered in 32 bits.
            ("rows of a recorded search", rows, u32::MAX.into(), "call Index::search"),
            (
                "queries of a recorded search",
                queries as u64,
                max_queries,
                "record several searches",
            ),
        ] {
            if required > available {
                return Err(Error::Limit { what, required, available, remedy });
            }
        }
        let searched = searched(views, resident);
        let (gpu, pool) = (&self.gpu, &self.recorded);
        programs.record(gpu, pool, model, &searched, encoder, recorded)
    }
}

/// Uploads a batch, each GPU its part, unless it is there.
///
/// # Errors
/// A GPU's memory is full, or a GPU is lost.
pub(super) fn resident_rows(
    gpus: &[&GpuSearches],
    model: &Model,
    metric: Metric,
    batch: &LoadedBatch,
) -> Result<Vec<Arc<ResidentRows>>> {
    let devices: Vec<&Gpu> = gpus.iter().map(|searches| &searches.gpu).collect();
    batch.resident(&devices, |batch, share| {
        let searches = gpus[share.number];
        searches.programs(model, metric)?.upload(&searches.gpu, batch, share, &searches.rows)
    })
}

/// The rows that the `k` best of each query are among; none for a query of which this cannot be said. All GPUs search
/// at the same time, each the rows that it has, and the host does its own work `meanwhile`.
///
/// # Errors
/// A GPU's memory is full, or a GPU is lost.
pub(super) fn find<T>(
    gpus: &[&GpuSearches],
    model: &Model,
    views: &[View<'_>],
    batches: &[&LoadedBatch],
    (queries, k): (&ScaledQueries, usize),
    meanwhile: impl FnOnce() -> T,
) -> Result<(Vec<Option<Vec<u64>>>, T)> {
    let resident = |batch: &&LoadedBatch| resident_rows(gpus, model, queries.metric, batch);
    let resident = batches.iter().map(resident).collect::<Result<Vec<_>>>()?;
    let mut works = Vec::with_capacity(gpus.len());
    for (number, searches) in gpus.iter().enumerate() {
        let rows: Vec<Arc<ResidentRows>> =
            resident.iter().map(|parts| parts[number].clone()).collect();
        if rows.iter().any(|rows| rows.bytes() > 0) {
            works.push((*searches, searches.programs(model, queries.metric)?, rows));
        }
    }
    let searched: Vec<Vec<Searched<'_>>> =
        works.iter().map(|(_, _, rows)| searched(views, rows)).collect();
    let mut found = vec![Some(Vec::new()); queries.count()];
    let mut begun = Vec::with_capacity(works.len());
    for ((searches, programs, _), searched) in works.iter().zip(&searched) {
        let slacks = programs.slacks(model, views, queries);
        let GpuSearches { gpu, pool, .. } = searches;
        begun.push(programs.begin(gpu, pool, searched, queries, &slacks, k)?);
        let unbounded = found.iter_mut().zip(slacks).filter(|(_, slack)| slack.is_none());
        unbounded.for_each(|(found, _)| *found = None);
    }
    let done = meanwhile();
    for search in begun {
        for (all, rows) in found.iter_mut().zip(search.found()?) {
            *all = all.take().zip(rows).map(|(mut all, rows)| {
                all.extend(rows);
                all
            });
        }
    }
    Ok((found, done))
}

/// The rows that are searched, with where they are.
fn searched<'a>(views: &'a [View<'a>], resident: &'a [Arc<ResidentRows>]) -> Vec<Searched<'a>> {
    views.iter().zip(resident).map(|(view, rows)| Searched { view, rows }).collect()
}
