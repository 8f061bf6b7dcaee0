//! The files of `shaders` that kernels are put together from.

use super::kernel::Source;
use super::product::{Factor, Store};
use super::walk::Walk;

macro_rules! shader {
    ($file:literal) => {
        include_str!(concat!("../../shaders/", $file, ".wgsl"))
    };
}

pub(super) use shader;

macro_rules! source {
    ($label:literal: $($file:literal),+) => {
        Source {
            label: concat!("vecodec.", $label),
            files: std::borrow::Cow::Borrowed(&[$($crate::gpu::sources::shader!($file)),+]),
        }
    };
}

pub(super) use source;

/// What a product is put together from: its factor, its walk, and what becomes of its rows.
pub(super) fn source_of(factor: Factor, walk: Walk, store: Store, ragged: bool) -> Source {
    // Extensions are enabled before anything else.
    let mut files = match walk {
        Walk::Registers { .. } => vec![shader!("shared/registers")],
        Walk::Tiled { .. } => vec![shader!("shared/tiled")],
        Walk::Matrix { side: 8, .. } => vec![shader!("shared/matrix8"), shader!("shared/matrix")],
        Walk::Matrix { .. } | Walk::Stationary { .. } => {
            vec![shader!("shared/matrix16"), shader!("shared/matrix")]
        }
    };
    files.extend(match walk {
        Walk::Registers { half } | Walk::Tiled { half, .. } => match half {
            false => vec![shader!("shared/weights")],
            true => vec![shader!("shared/weights_half")],
        },
        Walk::Matrix { split, .. } => vec![
            shader!("shared/matrix_steps"),
            shader!("shared/matrix_walk"),
            if split { shader!("shared/matrix_split") } else { shader!("shared/matrix_once") },
        ],
        Walk::Stationary { .. } => vec![shader!("shared/stationary")],
    });
    files.extend([shader!("shared/params"), shader!("shared/bits"), shader!("shared/product")]);
    let label = match factor {
        Factor::Codes => "vecodec.decode",
        Factor::Streams { .. } => "vecodec.decode_stream",
        Factor::Values if store == Store::Codes => "vecodec.encode",
        Factor::Values => "vecodec.project",
    };
    files.extend(match factor {
        Factor::Codes => vec![shader!("shared/row_scales"), shader!("decode")],
        Factor::Streams { .. } => vec![shader!("shared/row_scales"), shader!("decode_stream")],
        Factor::Values => vec![shader!("project")],
    });
    files.extend(match (store, walk) {
        (Store::Codes, Walk::Matrix { .. }) => Some(shader!("shared/matrix_codes")),
        (Store::Codes, _) => Some(shader!("shared/tiled_codes")),
        (_, Walk::Matrix { .. } | Walk::Stationary { .. }) => Some(shader!("shared/matrix_rows")),
        (_, Walk::Tiled { .. }) => Some(shader!("shared/tiled_rows")),
        (_, Walk::Registers { .. }) => None,
    });
    files.extend(match store {
        Store::Codes => vec![shader!("shared/quantizer"), shader!("shared/store_codes")],
        Store::Half => vec![shader!("shared/store_half")],
        Store::Tight if ragged => vec![shader!("shared/store_ragged")],
        Store::Tight | Store::Padded => vec![shader!("shared/store_padded")],
    });
    Source { label, files: files.into() }
}

/// Latents to codes and scales.
pub(super) const QUANTIZE: Source =
    source!("quantize": "shared/params", "shared/bits", "shared/quantizer", "quantize");
