//! The best rows of a column of codes.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::compute::{concat, interleave_record_batch};
use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::stream::{self, StreamExt, TryStreamExt};
use vecodec::{Codec, Metric};
use vecodec_arrow::EncodedRows;

use crate::error::external;
#[cfg(feature = "cluster")]
use crate::models::Link;
use crate::scores;

/// Rows that are searched at a time. Projecting a query costs as much as scoring some thousand rows.
const GROUP_ROWS: usize = 1 << 16;

/// What is searched for in which column.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    pub(crate) codes: Arc<dyn PhysicalExpr>,
    /// The field of the codes.
    pub(crate) field: FieldRef,
    pub(crate) codec: Codec,
    /// The codec's model, for other processes.
    #[cfg(feature = "cluster")]
    pub(crate) link: Link,
    pub(crate) metric: Metric,
    pub(crate) query: Arc<[f32]>,
    pub(crate) k: usize,
}

/// Searches each group of some ten thousand rows of its input, and gives the `k` best rows of each, and up to `k` rows
/// whose codes are null. Their order is that of the input.
#[derive(Clone, Debug)]
pub struct CodesTopKExec {
    input: Arc<dyn ExecutionPlan>,
    search: Search,
    metrics: ExecutionPlanMetricsSet,
}

impl CodesTopKExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, search: Search) -> Self {
        Self { input, search, metrics: ExecutionPlanMetricsSet::new() }
    }

    #[cfg(feature = "cluster")]
    pub(crate) fn search(&self) -> &Search {
        &self.search
    }
}

impl Search {
    /// The best rows of some batches, and up to `k` rows whose codes are null.
    fn best(&self, batches: &[RecordBatch]) -> Result<RecordBatch> {
        let columns =
            batches.iter().map(|batch| self.codes.evaluate(batch)?.into_array(batch.num_rows()));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let column = concat(&columns.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>())?;
        let EncodedRows { codes, rows } =
            EncodedRows::new(self.codec.model(), &self.field, &column).map_err(external)?;
        let mut best: Vec<usize> = match codes {
            None => Vec::new(),
            Some(codes) => {
                let found = scores::best(&self.codec, codes, self.metric, &self.query, self.k);
                found.map_err(external)?.into_iter().map(|row| rows[row]).collect()
            }
        };
        best.extend((0..column.len()).filter(|row| column.is_null(*row)).take(self.k));
        best.sort_unstable();
        let mut indices = Vec::with_capacity(best.len());
        let mut best = best.into_iter().peekable();
        let mut first = 0;
        for (number, batch) in batches.iter().enumerate() {
            let end = first + batch.num_rows();
            while let Some(row) = best.next_if(|row| *row < end) {
                indices.push((number, row - first));
            }
            first = end;
        }
        Ok(interleave_record_batch(&batches.iter().collect::<Vec<_>>(), &indices)?)
    }
}

impl DisplayAs for CodesTopKExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Search { codes, metric, k, .. } = &self.search;
        write!(f, "CodesTopKExec: k={k}, codes={codes}, metric={metric}")
    }
}

impl ExecutionPlan for CodesTopKExec {
    fn name(&self) -> &str {
        "CodesTopKExec"
    }

    /// Those of the input, some of whose rows it gives in the same order.
    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        f(&self.search.codes)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(children.swap_remove(0), self.search.clone())))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let schema = input.schema();
        let search = self.search.clone();
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let groups = stream::try_unfold(input, |mut input| async move {
            let (mut batches, mut rows) = (Vec::new(), 0);
            while rows < GROUP_ROWS
                && let Some(batch) = input.try_next().await?
            {
                rows += batch.num_rows();
                batches.push(batch);
            }
            Ok((!batches.is_empty()).then_some((batches, input)))
        });
        let found = groups.map(move |batches: Result<Vec<RecordBatch>>| {
            let timer = metrics.elapsed_compute().timer();
            let found = search.best(&batches?)?;
            timer.done();
            metrics.record_output(found.num_rows());
            Ok(found)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, found)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
