//! What a fit saw, as a tensor of the model's file.

use safetensors::tensor::Dtype;

use super::super::Model;
use super::super::facts::{FITTED, FitFacts};
use crate::error::{Error, Result};
use crate::tensors::{Reader, Spec, Writer};

/// The tensor of what the fit saw, in models that keep it.
pub(super) fn spec(model: &Model) -> Option<Spec> {
    model.fit_facts().map(|_| Spec { name: FITTED, dtype: Dtype::F64, shape: vec![5] })
}

pub(super) fn write(model: &Model, writer: &mut Writer) -> Result<()> {
    match model.fit_facts() {
        Some(facts) => writer.write(FITTED, 0, bytemuck::cast_slice(&facts.to_array())),
        None => Ok(()),
    }
}

pub(super) fn read(reader: &mut Reader) -> Result<Option<FitFacts>> {
    if reader.info(FITTED).is_none() {
        return Ok(None);
    }
    let mut numbers = [0.0; 5];
    reader.expect(FITTED, Dtype::F64, &[numbers.len()])?;
    reader.read(FITTED, 0, bytemuck::cast_slice_mut(&mut numbers))?;
    FitFacts::from_array(numbers).map(Some).map_err(|detail| Error::format(reader.path(), detail))
}
