//! `eval` without a model: the table, the recommendation, the chart, and errors.

use serde_json::Value;

use crate::sandbox::*;

const KEYS: [&str; 9] = [
    "codes",
    "bytes_per_row",
    "compression_ratio",
    "relative_mse",
    "mean_cosine",
    "recall@1",
    "recall@10",
    "encode_rows_per_s",
    "decode_rows_per_s",
];

fn table(sandbox: &Sandbox, options: &str) -> Value {
    let text = sandbox.run(&format!("eval data.npy --json --engine cpu{options}"));
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {row}"))
}

/// The table without rates, which differ from run to run.
fn without_rates(mut table: Value) -> Value {
    for row in table["results"].as_array_mut().unwrap() {
        row.as_object_mut().unwrap().retain(|key, _| !key.ends_with("_per_s"));
    }
    table
}

#[test]
fn every_size_has_its_figures() {
    let table = table(&Sandbox::new(), "");
    let keys: Vec<_> = table.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["seed", "rows_fitted", "rows_measured", "recommended_bytes", "results"];
    assert!(keys.len() == 5 && expected.iter().all(|key| keys.contains(key)), "{table}");
    assert_eq!((&table["seed"], &table["rows_fitted"]), (&Value::from(0), &Value::from(45)));
    assert_eq!(table["rows_measured"], 45);

    let results = table["results"].as_array().unwrap();
    let size = |row: &Value| (row["codes"].as_str().unwrap().to_owned(), number(row, KEYS[1]));
    let expected = [("bits", 1.0), ("bits", 2.0), ("bits", 4.0), ("int8", 16.0)];
    let expected = expected.map(|(codes, bytes)| (codes.to_owned(), bytes));
    assert_eq!(results.iter().map(size).collect::<Vec<_>>(), expected);
    for row in results {
        assert_eq!(row.as_object().unwrap().len(), KEYS.len(), "{row}");
        assert!(KEYS.iter().all(|key| row.get(key).is_some()), "{row}");
        assert_eq!(number(row, "compression_ratio"), 48.0 / number(row, "bytes_per_row"));
        for key in ["relative_mse", "recall@1", "recall@10", "mean_cosine"] {
            assert!((0.0..=1.0).contains(&number(row, key)), "{key} in {row}");
        }
        for key in ["encode_rows_per_s", "decode_rows_per_s"] {
            assert!(number(row, key) > 0.0, "{key} in {row}");
        }
    }
    // More bytes give a smaller error, and as many latents as values give a very small error.
    for pair in results.windows(2) {
        assert!(number(&pair[1], "relative_mse") < number(&pair[0], "relative_mse"), "{table}");
    }
    assert!(number(&results[3], "relative_mse") < 1e-3 && number(&results[3], "recall@10") > 0.9);
}

#[test]
fn the_printed_table_has_the_same_figures() {
    let sandbox = Sandbox::new();
    let text = sandbox.run("eval data.npy --engine cpu --keep 0.9");
    for words in [
        "data.npy: all 90 rows, 12 values per row",
        "45 rows were fitted, the 45 others measured: a random split, --seed 0",
        "recall: 45 queries among the measured rows",
        "engine: cpu",
        "relative MSE",
        "recall@10",
        "keeps 0.9 of the ten nearest rows",
        "vecodec fit data.npy --",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
    assert_eq!(text.lines().filter(|line| line.contains("  bits  ")).count(), 3, "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("  int8  ")).count(), 1, "{text}");
    assert!(!text.contains("0.0000"), "{text}");
    // The recommended command works.
    let command = text.lines().last().unwrap().trim().strip_prefix("vecodec ").unwrap();
    sandbox.run(command);
    assert_eq!(sandbox.names(), ["data.npy", "model.safetensors"]);
}

#[test]
fn the_recommendation_keeps_what_was_asked() {
    let sandbox = Sandbox::new();
    for keep in [0.0, 0.5, 0.9] {
        let table = table(&sandbox, &format!(" --keep {keep}"));
        let results = table["results"].as_array().unwrap();
        let enough = results.iter().filter(|row| number(row, "recall@10") >= keep);
        let fewest = enough.map(|row| number(row, "bytes_per_row")).reduce(f64::min);
        assert_eq!(table["recommended_bytes"].as_f64(), fewest, "{keep}: {table}");
        assert!(fewest.is_some(), "{keep}: {table}");
    }
    // One byte per row is too few for a recall@10 of 0.99.
    assert_eq!(table(&sandbox, " --bytes 1 --keep 0.99")["recommended_bytes"], Value::Null);
    let text = sandbox.run("eval data.npy --bytes 1 --keep 0.99 --engine cpu");
    assert!(text.contains("no size keeps 0.99"), "{text}");
    assert!(text.contains("bits at 1 byte per row keeps the most"), "{text}");
}

#[test]
fn one_size_can_be_asked_for() {
    let sandbox = Sandbox::new();
    for (options, codes, bytes) in
        [("--latent 3", "int8", 7), ("--bytes 5", "bits", 5), ("--bytes 2 --states 4", "bits", 2)]
    {
        let table = table(&sandbox, &format!(" {options}"));
        let results = table["results"].as_array().unwrap();
        assert_eq!(results.len(), 1, "{table}");
        assert_eq!(
            (&results[0]["codes"], &results[0]["bytes_per_row"]),
            (&Value::from(codes), &Value::from(bytes))
        );
    }
}

#[test]
fn the_seed_decides_which_rows_are_measured() {
    let sandbox = Sandbox::new();
    let run = |options: &str| without_rates(table(&sandbox, &format!(" --latent 2 {options}")));
    assert_eq!(run("--seed 7"), run("--seed 7"));
    assert_ne!(run("--seed 7")["results"], run("--seed 8")["results"]);
    // A sample is also drawn at random.
    let sample = run("--seed 7 --sample 84");
    assert_eq!((&sample["rows_fitted"], &sample["rows_measured"]), (&42.into(), &42.into()));
    assert_eq!(sample, run("--seed 7 --sample 84"));
    let text = sandbox.run("eval data.npy --latent 2 --sample 84 --engine cpu");
    assert!(text.contains("84 rows of its 90, drawn at random"), "{text}");
}

/// Even and odd rows lie in different directions. A fit on every second row would not know the other
/// direction.
#[test]
fn periods_in_the_file_do_not_matter() {
    let sandbox = Sandbox::new();
    let mut random = Random::new(5);
    let values: Vec<f32> = (0..200)
        .flat_map(|row| {
            let mut values = random.normals(DIM, 0.01);
            random.normals(4, 1.0).iter().enumerate().for_each(|(at, v)| {
                values[row % 2 * 4 + at] += v;
            });
            values
        })
        .collect();
    sandbox.write("data.npy", npy("<f4", false, &[200, DIM], &bytes(&values)));
    let table = table(&sandbox, " --latent 8");
    assert!(number(&table["results"][0], "relative_mse") < 0.01, "{table}");
}

#[test]
fn the_plot_is_drawn_whole() {
    let sandbox = Sandbox::new();
    sandbox.write("sizes.svg", "what was there before");
    for options in ["", " --latent 3"] {
        let text = sandbox.run(&format!("eval data.npy --engine cpu --plot sizes.svg{options}"));
        assert!(text.contains("recall@10"), "{text}");
        let svg = String::from_utf8(sandbox.read("sizes.svg")).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        for words in ["bytes per row", "relative MSE", "recall@10", "int8", "bits", "--keep 0.95"] {
            assert!(svg.contains(words), "{words} is not in the drawing");
        }
        assert!(svg.contains("data.npy: 45 rows measured"));
    }
    assert_eq!(sandbox.names(), ["data.npy", "sizes.svg"]);
}

/// A logarithmic axis cannot show an error of 0, and equal rows have no nearest rows.
#[test]
fn constant_rows_are_measured_and_drawn() {
    let sandbox = Sandbox::new();
    sandbox.write("data.npy", npy("<f4", false, &[90, 2], &[0; 720]));
    let table = table(&sandbox, " --plot flat.svg");
    for row in table["results"].as_array().unwrap() {
        assert_eq!(number(row, "relative_mse"), 0.0, "{row}");
        assert_eq!((number(row, "recall@1"), number(row, "recall@10")), (1.0, 1.0), "{row}");
    }
    assert!(sandbox.read("flat.svg").starts_with(b"<svg"));
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let sandbox = Sandbox::with_model();
    let values = rows(ROWS, DIM);
    sandbox.write("few.npy", npy("<f4", false, &[81, DIM], &bytes(&values[..81 * DIM])));
    let mut infinite = values;
    infinite[77 * DIM + 4] = f32::INFINITY;
    sandbox.write("inf.npy", npy("<f4", false, &[ROWS, DIM], &bytes(&infinite)));
    for (line, words) in [
        ("few.npy", &["few.npy", "81 rows", "82", "--model"][..]),
        ("inf.npy", &["inf.npy", "row 77, column 4 is inf"]),
        ("inf.npy --seed 1", &["inf.npy", "row 77, column 4 is inf"]),
        ("data.npy --latent 46", &["data.npy", "45", "46", "fewer"]),
        ("data.npy --keep 1.5", &["--keep is 1.5", "0 to 1"]),
        ("data.npy --keep NaN", &["--keep is NaN", "0 to 1"]),
        ("data.npy --sample 81", &["--sample is 81", "82"]),
        ("data.npy --plot none/sizes.svg", &["none/sizes.svg", "no folder none"]),
        ("data.npy --plot sizes.png", &["sizes.png", ".svg"]),
        ("data.npy --plot data.npy", &["data.npy", "both input and output"]),
        ("inf.npy --plot sizes.svg", &["inf.npy", "row 77"]),
    ] {
        sandbox.refuse(&format!("eval {line} --engine cpu"), words);
    }
    for option in ["--seed 1", "--keep 0.5", "--sample 83", "--plot sizes.svg"] {
        let output = sandbox.output(&format!("eval data.npy --model model {option}"));
        assert_eq!(output.status.code(), Some(2), "{option}");
    }
    let output = sandbox.output("fit data.npy --bytes 4 --relu -o out");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(sandbox.names(), ["data.npy", "few.npy", "inf.npy", "model"]);
}
