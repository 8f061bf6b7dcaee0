//! Parquet files in and out.

use std::fs::File;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, Int64Array, ListArray, RecordBatch, RecordBatchReader as _, StringArray,
};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use vecodec::{Codec, CodecOptions, Engine, Model};
use vecodec_arrow::{CodesType, EncodedRows};

use crate::sandbox::{DIM, ROWS, Sandbox, rows};

/// Whether a row of the files is null.
fn is_null(row: usize) -> bool {
    row % 19 == 7
}

/// The rows from `first` to `end` as a file with the columns `id`, `embedding` and `text`.
fn write(sandbox: &Sandbox, name: &str, first: usize, end: usize, values: &[f32]) {
    let row = |row: usize| {
        let values = &values[row * DIM..][..DIM];
        (!is_null(row)).then(|| values.iter().map(|value| Some(*value)).collect::<Vec<_>>())
    };
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from_iter_values((first..end).map(|row| 1000 + row as i64)))),
        (
            "embedding",
            Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>((first..end).map(row))),
        ),
        (
            "text",
            Arc::new(StringArray::from_iter_values((first..end).map(|row| format!("row {row}")))),
        ),
    ];
    write_columns(sandbox, name, columns);
}

fn write_columns<const N: usize>(sandbox: &Sandbox, name: &str, columns: [(&str, ArrayRef); N]) {
    let field =
        |(name, column): &(&str, ArrayRef)| Field::new(*name, column.data_type().clone(), true);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(sandbox.path(name)).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn read(sandbox: &Sandbox, name: &str) -> RecordBatch {
    let file = File::open(sandbox.path(name)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    assert!(batches.len() <= 1);
    batches.into_iter().next().unwrap_or_else(|| RecordBatch::new_empty(schema))
}

/// A sandbox with two files in a folder, and a model of their rows.
fn sandbox() -> (Sandbox, Vec<f32>) {
    let (sandbox, values) = (Sandbox::new(), rows(ROWS, DIM));
    std::fs::create_dir(sandbox.path("parts")).unwrap();
    write(&sandbox, "parts/a.parquet", 0, 37, &values);
    write(&sandbox, "parts/b.parquet", 37, ROWS, &values);
    sandbox.run("fit parts --bytes 6 --regions 1 --states 8 -o model");
    (sandbox, values)
}

#[test]
fn a_column_becomes_codes_and_rows_again() {
    let (sandbox, values) = sandbox();
    let model = Model::load(sandbox.path("model")).unwrap();
    let options = CodecOptions::default().with_engine(Engine::Cpu);
    let codec = Codec::with_options(model, options).unwrap();
    let there: Vec<usize> = (0..ROWS).filter(|row| !is_null(*row)).collect();
    let codes = codec.encode_flat(&values).unwrap().select(&there).unwrap();
    for data in ["parts", "parts/*.parquet"] {
        sandbox.run(&format!(
            "encode {data} --column embedding --model model -o codes.parquet --engine cpu"
        ));
        let batch = read(&sandbox, "codes.parquet");
        let schema = batch.schema();
        assert_eq!(
            schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(),
            ["id", "embedding", "text"]
        );
        let ids = batch.column(0).as_primitive::<Int64Type>();
        assert_eq!(ids.values().to_vec(), (1000..1000 + ROWS as i64).collect::<Vec<_>>());
        assert_eq!(batch.column(2).as_string::<i32>().value(40), "row 40");
        let field = schema.field(1);
        let codes_type = field.try_extension_type::<CodesType>().unwrap();
        assert_eq!(codes_type.fingerprint(), codec.model().fingerprint().to_string());
        let encoded = EncodedRows::new(codec.model(), field, batch.column(1)).unwrap();
        assert_eq!(encoded.rows, there, "{data}");
        assert_eq!(encoded.codes.unwrap().records().unwrap(), codes.records().unwrap(), "{data}");
    }

    sandbox.run("decode codes.parquet --model model -o rows.parquet --engine cpu");
    let batch = read(&sandbox, "rows.parquet");
    let lists = batch.column(1).as_fixed_size_list();
    assert_eq!((lists.value_length() as usize, lists.null_count()), (DIM, ROWS - there.len()));
    assert!(batch.schema().field(1).extension_type_name().is_none());
    let decoded = codec.decode_flat(&codes).unwrap();
    for (row, expected) in there.iter().zip(decoded.chunks_exact(DIM)) {
        let found = lists.value(*row);
        for (a, b) in found.as_primitive::<Float32Type>().values().iter().zip(expected) {
            assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{a} for {b}");
        }
    }
}

#[test]
fn codes_in_parquet_are_searched() {
    let (sandbox, _) = sandbox();
    sandbox.run("encode parts --model model -o codes.parquet --engine cpu");
    sandbox.run("encode data.npy --model model -o codes --engine cpu");
    let hits = |codes: &str| {
        let k = if codes == "codes" {
            ROWS
        } else {
            ROWS - (0..ROWS).filter(|row| is_null(*row)).count()
        };
        let line =
            format!("search {codes} --model model --queries data.npy -k {k} --engine cpu --json");
        let report: serde_json::Value = serde_json::from_str(&sandbox.run(&line)).unwrap();
        let list = |name: &str| report[name][3].as_array().unwrap().clone();
        list("ids").into_iter().zip(list("scores")).collect::<Vec<_>>()
    };
    // Rows that are null are not found, and the others are found with the same scores.
    let mut expected = hits("codes");
    expected.retain(|(id, _)| !is_null(id.as_u64().unwrap() as usize));
    assert_eq!(hits("codes.parquet"), expected);
}

#[test]
fn a_fit_reads_a_random_sample() {
    let (sandbox, _) = sandbox();
    let fit = |options: &str| {
        let line = format!("fit parts --bytes 6 --regions 1 --states 8 -o fitted --json{options}");
        let report: serde_json::Value = serde_json::from_str(&sandbox.run(&line)).unwrap();
        (report["rows_used"].as_u64().unwrap() as usize, sandbox.read("fitted"))
    };
    let nulls = (0..ROWS).filter(|row| is_null(*row)).count();
    let (all, whole) = fit("");
    assert_eq!(all, ROWS - nulls);
    let (used, sampled) = fit(" --sample 60 --seed 3");
    assert!((60 - nulls..=60).contains(&used), "{used}");
    assert_ne!(sampled, whole);
    assert_eq!(fit(" --sample 60 --seed 3").1, sampled);
    assert_ne!(fit(" --sample 60 --seed 4").1, sampled);
}

#[test]
fn bad_columns_are_refused() {
    let (sandbox, values) = sandbox();
    let list = |row: &[f32]| {
        let rows = [Some(row.iter().map(|value| Some(*value)).collect::<Vec<_>>())];
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows)) as ArrayRef
    };
    let row = &values[..DIM];
    write_columns(&sandbox, "two.parquet", [("x", list(row)), ("y", list(row))]);
    write_columns(&sandbox, "short.parquet", [("x", list(&row[1..]))]);
    write_columns(&sandbox, "nan.parquet", [("x", list(&[&row[1..], &[f32::NAN]].concat()))]);
    write_columns(
        &sandbox,
        "ids.parquet",
        [("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef)],
    );
    sandbox.write("no.parquet", b"PAR");
    let encode = |data: &str| format!("encode {data} --model model -o out.parquet --engine cpu");
    for (line, words) in [
        (encode("two.parquet"), &["2 columns", "x, y", "--column"][..]),
        (encode("ids.parquet"), &["0 columns", "found: id", "--column"]),
        (encode("ids.parquet --column id"), &["\"id\"", "Int64", "lists of Float32"]),
        (encode("parts --column vector"), &["no column \"vector\"", "id, embedding, text"]),
        (encode("short.parquet"), &["\"x\", row 0", "11 values", "rows of 12"]),
        (encode("nan.parquet"), &["row 0, column 11 is NaN"]),
        (encode("no.parquet"), &["no.parquet", "pass a Parquet file"]),
        (encode("none/*.parquet"), &["names no Parquet file", "check the path"]),
        (encode("parts --rows 0..5"), &["--rows", "Parquet", "leave it out"]),
        (
            "encode parts --model model -o out.safetensors --engine cpu".into(),
            &["name it .parquet"],
        ),
        (
            "encode parts/a.parquet --model model -o parts/a.parquet --engine cpu".into(),
            &["both input and output"],
        ),
        (
            "decode parts --model model -o out.parquet --engine cpu".into(),
            &["0 columns", "codes", "id, embedding, text"],
        ),
    ] {
        sandbox.refuse(&line, words);
    }
    // A fit names the row of the files, whichever rows it draws.
    let mut rows: Vec<_> = (0..40).map(|_| Some(row.iter().map(|x| Some(*x)).collect())).collect();
    rows[31] = Some(vec![Some(0.5)]);
    let uneven = Arc::new(ListArray::from_iter_primitive::<Float32Type, Vec<_>, _>(rows));
    write_columns(&sandbox, "uneven.parquet", [("x", uneven as ArrayRef)]);
    let fit = "fit uneven.parquet --bytes 6 --sample 39 --seed 1 -o out";
    sandbox.refuse(fit, &["\"x\", row 31 has 1 values", "rows of 12"]);
    // Files of a folder have one schema.
    write_columns(&sandbox, "parts/c.parquet", [("x", list(row))]);
    sandbox.refuse(&encode("parts"), &["parts/c.parquet", "other columns", "parts/a.parquet"]);

    sandbox.run(
        "encode nan.parquet --model model -o codes.parquet --engine cpu"
            .replace("nan", "parts/a")
            .as_str(),
    );
    sandbox.run("fit data.npy --bytes 6 --regions 1 --states 8 --seed 9 --objective reconstruction -o other");
    let fingerprints = ["model", "other"]
        .map(|name| Model::load(sandbox.path(name)).unwrap().fingerprint().to_string());
    sandbox.refuse(
        "decode codes.parquet --model other -o out.parquet --engine cpu",
        &["embedding", &fingerprints[0], &fingerprints[1]],
    );
}

#[test]
fn other_types_of_lists_are_taken() {
    let (sandbox, values) = sandbox();
    let wide = values[..2 * DIM].iter().map(|value| f64::from(*value));
    let item = Arc::new(Field::new("item", DataType::Float64, true));
    let wide = Arc::new(arrow_array::Float64Array::from_iter_values(wide));
    let lists = arrow_array::FixedSizeListArray::new(item, DIM as i32, wide, None);
    write_columns(&sandbox, "wide.parquet", [("x", Arc::new(lists) as ArrayRef)]);
    sandbox.run("encode wide.parquet --model model -o wide_codes.parquet --engine cpu");
    sandbox.run("encode data.npy --rows 0..2 --model model -o codes --engine cpu");
    let found = read(&sandbox, "wide_codes.parquet");
    let expected = vecodec::Codes::load(sandbox.path("codes")).unwrap().records().unwrap();
    assert_eq!(found.column(0).as_fixed_size_binary().value_data(), expected);
}
