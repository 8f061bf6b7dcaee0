//! A table of embeddings, and the session that queries it.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, FixedSizeListArray, Float32Array, Int64Array, RecordBatch,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Int64Type, Schema};
use datafusion::datasource::MemTable;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use vecodec::{Codec, CodecOptions, Codes, Engine, Model, ModelConfig};
use vecodec_datafusion::{Models, with_vecodec};

pub const DIM: usize = 24;
/// Rows of the table, in batches of `BATCH_ROWS`; the last one is empty.
pub const ROWS: usize = 1000;
const BATCH_ROWS: usize = 130;

/// Whether a row of the table is null.
pub fn is_null(row: usize) -> bool {
    row % 97 == 5
}

/// Seeded rows of a few strong directions.
pub fn rows(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let value = |at: usize, noise: f32| noise / (1 + at % DIM) as f32 + 0.1;
    (0..count * DIM).map(|at| value(at, uniform())).collect()
}

/// A table `t(id, embedding)` in a session of two partitions, with the model `m`.
pub struct Table {
    pub ctx: SessionContext,
    pub models: Models,
    pub codec: Codec,
    pub rows: Vec<f32>,
}

impl Table {
    pub fn new() -> Self {
        Self::of(ModelConfig::bits(DIM, 12))
    }

    pub fn of(config: impl Into<ModelConfig>) -> Self {
        let rows = rows(ROWS, 1);
        let model = Model::fit(&rows, config).unwrap();
        let options = CodecOptions::default().with_engine(Engine::Cpu);
        let codec = Codec::with_options(model.clone(), options).unwrap();
        let models = Models::new(Engine::Cpu);
        models.register("m", model).unwrap();
        let ctx = session(&models);
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("embedding", DataType::FixedSizeList(item.clone(), DIM as i32), true),
        ]));
        // A slice of a longer array, so that the rows of a batch do not begin at the beginning of its memory.
        let nulls = NullBuffer::from_iter((0..ROWS).map(|row| !is_null(row)));
        let values = Arc::new(Float32Array::from(rows.clone()));
        let embeddings = FixedSizeListArray::new(item, DIM as i32, values, Some(nulls));
        let batch = |first: usize| {
            let len = BATCH_ROWS.min(ROWS - first);
            let ids = Int64Array::from_iter_values(first as i64..(first + len) as i64);
            let columns: Vec<ArrayRef> =
                vec![Arc::new(ids), Arc::new(embeddings.slice(first, len))];
            RecordBatch::try_new(schema.clone(), columns).unwrap()
        };
        let mut batches: Vec<RecordBatch> = (0..ROWS).step_by(BATCH_ROWS).map(batch).collect();
        batches.push(RecordBatch::new_empty(schema.clone()));
        let (left, right) = batches.split_at(3);
        let table = MemTable::try_new(schema, vec![left.to_vec(), right.to_vec()]).unwrap();
        ctx.register_table("t", Arc::new(table)).unwrap();
        Self { ctx, models, codec, rows }
    }

    /// The codes of the rows that are not null, and their ids.
    pub fn codes(&self) -> (Codes, Vec<u64>) {
        let ids: Vec<u64> = (0..ROWS as u64).filter(|row| !is_null(*row as usize)).collect();
        let there: Vec<usize> = ids.iter().map(|id| *id as usize).collect();
        (self.codec.encode_flat(&self.rows).unwrap().select(&there).unwrap(), ids)
    }

    /// The row of this number as a list in SQL.
    pub fn list(&self, row: usize) -> String {
        let row = &self.rows[row * DIM..][..DIM];
        format!("[{}]", row.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }

    pub async fn query(&self, sql: &str) -> RecordBatch {
        query(&self.ctx, sql).await
    }

    /// The physical plan, as text.
    pub async fn plan(&self, sql: &str) -> String {
        let plan = self.ctx.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string()
    }

    /// The message of the error of a query, planned or run.
    pub async fn refused(&self, sql: &str) -> String {
        let result = match self.ctx.sql(sql).await {
            Ok(frame) => frame.collect().await,
            Err(error) => Err(error),
        };
        result.expect_err(sql).to_string()
    }
}

pub fn session(models: &Models) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(2);
    let state = SessionStateBuilder::new().with_config(config).with_default_features();
    SessionContext::new_with_state(with_vecodec(state, models).build())
}

pub async fn query(ctx: &SessionContext, sql: &str) -> RecordBatch {
    let frame = ctx.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let schema = batches.first().map_or(schema, |batch| batch.schema());
    concat_batches(&schema, &batches).unwrap()
}

pub fn floats(batch: &RecordBatch, column: &str) -> Vec<Option<f32>> {
    batch.column_by_name(column).unwrap().as_primitive::<Float32Type>().iter().collect()
}

pub fn ids(batch: &RecordBatch) -> Vec<u64> {
    let ids = batch.column_by_name("id").unwrap().as_primitive::<Int64Type>();
    ids.values().iter().map(|id| *id as u64).collect()
}
