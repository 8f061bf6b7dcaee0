//! Arrow arrays of embeddings, and of their codes.
//!
//! A column of embeddings is `FixedSizeList`, `List` or `LargeList` of `Float32`, `Float16` or `Float64`. A column of
//! codes is `FixedSizeBinary`: each value is a row's record of docs/format.md, its packed codes and then the four bytes
//! of its norm or scale, where rows have one. The extension type [`CodesType`] of its field names the model, and so
//! survives Parquet and IPC. Rows that are null stay null.
//!
//! ```
//! use std::sync::Arc;
//!
//! use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array};
//! use arrow_schema::{DataType, Field};
//! use vecodec::{Codec, CodecOptions, Engine, Model, ModelConfig};
//!
//! let model = Model::random(ModelConfig::int8(8, 4), 1)?;
//! let codec = Codec::with_options(model, CodecOptions::default().with_engine(Engine::Cpu))?;
//! let item = Arc::new(Field::new("item", DataType::Float32, false));
//! let values = Arc::new(Float32Array::from(vec![0.5; 16]));
//! let column: ArrayRef = Arc::new(FixedSizeListArray::new(item, 8, values, None));
//! let field = Field::new("embedding", column.data_type().clone(), true);
//!
//! let (field, codes) = vecodec_arrow::encode(&codec, &field, &column)?;
//! assert_eq!(codes.data_type(), &DataType::FixedSizeBinary(4 + 4));
//! let (_, rows) = vecodec_arrow::decode(&codec, &field, &codes)?;
//! assert_eq!(rows.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod codes;
mod embeddings;
mod error;
mod extension;
mod verbs;

pub use codes::EncodedRows;
pub use embeddings::{Embeddings, Values};
pub use error::{Error, Result};
pub use extension::{CodesMetadata, CodesType, coding};
pub use verbs::{decode, decoded_column, encode, encoded_column};
