//! `vecodec encode` encodes a data file to a file of codes, block by block.

use vecodec::CodesWriter;

use crate::args::EncodeArgs;
use crate::data::{DataReader, blocks};
use crate::engine;
use crate::error::{CliError, Result};
use crate::output;
use crate::progress::Progress;

pub fn run(args: &EncodeArgs) -> Result<()> {
    output::check(&args.output, &[&args.data, &args.model])?;
    output::check_name(&args.output, "codes")?;
    let mut data = DataReader::open_noted(&args.data, args.tensor.name())?;
    let model = engine::model_for(&args.model, &data)?;
    let codec = engine::codec(model, args.engine.engine()?)?;
    let mut writer = CodesWriter::create(&args.output, codec.model(), data.row_count())?;

    let progress = Progress::vectors("encoding", data.row_count());
    let mut rows = Vec::new();
    for range in blocks(0..data.row_count(), data.dim()) {
        data.read(range.clone(), &mut rows)?;
        let codes = codec
            .encode_flat(&rows)
            .map_err(|e| CliError::in_rows(&args.data, |row| range.start + row, e))?;
        writer.append(&codes)?;
        progress.add(range.len());
    }
    writer.finish()?;
    drop(progress);

    let config = codec.model().config();
    output::note(&format!(
        "{}: {} rows of {} values in {} bytes each, {:.1} times smaller; engine {}",
        args.output.display(),
        data.row_count(),
        config.dim,
        config.code_size(),
        config.compression_ratio(),
        codec.engine(),
    ));
    Ok(())
}
