//! What fits spend bits for: the squared error, or the neighbours of queries.

use vecodec::metrics::relative_mse;
use vecodec::{Error, FitOptions, Model, ModelConfig, Objective, Regions};

use crate::data::Random;
use crate::engines::{codec, cpu};

const DIM: usize = 64;
const NEIGHBOURS: usize = 10;

/// Rows whose first half vary most.
fn rows(count: usize, seed: u64) -> Vec<f32> {
    let mut values = Random::new(seed).normals(count * DIM, 1.0);
    values.chunks_mut(DIM).for_each(|row| row[32..].iter_mut().for_each(|v| *v *= 0.5));
    values
}

/// Queries that look at the last half most.
fn queries(count: usize, seed: u64) -> Vec<f32> {
    let mut values = Random::new(seed).normals(count * DIM, 1.0);
    values.chunks_mut(DIM).for_each(|row| row[..32].iter_mut().for_each(|v| *v *= 0.4));
    values
}

fn config(objective: Objective) -> ModelConfig {
    ModelConfig::bits(DIM, 16).with_regions(Regions::Count(1)).with_objective(objective).into()
}

/// The rows of the largest inner products with a query, each over the row's norm.
fn nearest(query: &[f32], rows: &[f32]) -> Vec<usize> {
    let score = |row: &[f32]| {
        let product: f64 = row.iter().zip(query).map(|(a, b)| f64::from(a * b)).sum();
        product / row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()
    };
    let scores: Vec<f64> = rows.chunks(DIM).map(score).collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    order.truncate(NEIGHBOURS);
    order
}

/// The relative MSE of rows that were never fitted on, and the recall@10 among them.
fn figures(model: &Model) -> (f64, f64) {
    let (rows, queries) = (rows(1500, 5), queries(200, 6));
    let codec = codec(&cpu(), model);
    let decoded = codec.decode_flat(&codec.encode_flat(&rows).unwrap()).unwrap();
    let shared: usize = queries
        .chunks(DIM)
        .map(|query| {
            let (truth, found) = (nearest(query, &rows), nearest(query, &decoded));
            found.iter().filter(|row| truth.contains(row)).count()
        })
        .sum();
    let recall = shared as f64 / (queries.len() / DIM * NEIGHBOURS) as f64;
    (relative_mse(&rows, &decoded).unwrap(), recall)
}

#[test]
fn bits_go_where_queries_look_within_a_bound_of_squared_error() {
    let (train, asked) = (rows(8000, 1), queries(1000, 2));
    let options = || FitOptions::default().with_queries(&asked);
    let reconstruction = config(Objective::Reconstruction);
    let (plain, report) = Model::fit_with(&train, &reconstruction, options()).unwrap();
    assert_eq!(report.query_exponent, 0.0);
    let (weighted, report) = Model::fit_with(&train, config(Objective::Search), options()).unwrap();
    assert!(report.query_exponent > 0.0, "{report:?}");
    let ((plain_mse, plain_recall), (mse, recall)) = (figures(&plain), figures(&weighted));
    assert!(recall > plain_recall + 0.01, "{recall}, and {plain_recall} without weights");
    // The fit's own bound is 3 % on the rows that it held out.
    assert!(mse <= 1.05 * plain_mse, "{mse}, and {plain_mse} without weights");
    // A seed draws the same queries again, whatever their norms.
    let scaled: Vec<f32> = asked.iter().map(|v| v * 1024.0).collect();
    let again = FitOptions::default().with_queries(&scaled);
    let (again, _) = Model::fit_with(&train, config(Objective::Search), again).unwrap();
    assert_eq!(again.fingerprint(), weighted.fingerprint());
}

/// Of fewer rows, too few are held out to measure a recall on.
#[test]
fn few_rows_are_fitted_for_their_squared_error() {
    let train = rows(900, 3);
    let fit = |objective| Model::fit(&train, config(objective)).unwrap();
    let (search, plain) = (fit(Objective::Search), fit(Objective::Reconstruction));
    assert_eq!(search.fingerprint(), plain.fingerprint());
    assert_eq!(search.config().objective(), Some(Objective::Search));
    // The model's file says what it was fitted for.
    let folder = tempfile::tempdir().unwrap();
    for model in [search, plain] {
        model.save(folder.path().join("model")).unwrap();
        let loaded = Model::load(folder.path().join("model")).unwrap();
        assert_eq!(loaded.config(), model.config());
    }
    assert_eq!(ModelConfig::from(ModelConfig::int8(4, 2)).objective(), None);
}

#[test]
fn bad_queries_are_refused_before_any_work() {
    let train = rows(900, 3);
    let fit = |queries: &[f32]| {
        let options = FitOptions::default().with_queries(queries);
        Model::fit_with(&train, config(Objective::Search), options).unwrap_err()
    };
    let error = fit(&[1.0; DIM - 1]);
    assert!(matches!(error, Error::FlatLength { what: "queries", row_len: DIM, .. }), "{error:?}");
    assert!(matches!(fit(&[]), Error::EmptyBatch { .. }));
    let mut queries = queries(3, 4);
    queries[DIM + 4] = f32::NAN;
    let error = fit(&queries);
    assert!(matches!(error, Error::NonFinite { row: 1, column: 4, .. }), "{error:?}");
}
