//! A mixture of linear codecs: several *regions*, each with its own centroid, basis and bit plan.
//!
//! ```text
//! encode: r = region of x;  z = D_r^T (x - c_r);  the row's bits = the number r, then the codes of z
//! decode: x^ = c_r + D_r z^
//! ```
//!
//! The columns of `D_r` are orthonormal, so that errors of latents are errors of rows. The idea is
//! that of locally optimised product quantisation (Kalantidis and Avrithis, 2014) and of mixtures of
//! probabilistic PCA (Tipping and Bishop, 1999).

mod assign;
mod code;
mod estimate;
mod group;
mod leading;
mod region;

pub(crate) use assign::Assigner;
#[cfg(feature = "fit")]
pub(crate) use assign::{coding_cost, largest, rest_share};
use code::Encoder;
pub(crate) use code::Scratch;
pub(crate) use group::Groups;
pub(crate) use region::{Region, center_rows, id_bits};

use crate::bit_codes::RATE_COUNT;
use crate::error::{Error, Result};

/// The most regions: a row's region is one byte.
pub(crate) const MAX_REGIONS: usize = 256;

/// The regions of a model, and what tells the region of a row.
#[derive(Clone, Debug)]
pub(crate) struct Mixture {
    regions: Vec<Region>,
    /// The share of a latent's variance that coding leaves, by the number of the rate.
    distortions: [f32; RATE_COUNT],
    /// By region: the share of the energy behind the leading latents that coding leaves.
    rest_shares: Vec<f32>,
    /// How many of the nearest centroids are considered.
    shortlist: usize,
    assigner: Assigner,
}

impl Mixture {
    /// Checks and completes a mixture. All plans share their tables and have the same bytes.
    pub(crate) fn new(
        dim: usize,
        regions: Vec<Region>,
        distortions: [f32; RATE_COUNT],
        rest_shares: Vec<f32>,
        shortlist: usize,
    ) -> Result<Self> {
        let bad = |what, expected, found| Err(Error::BitPlanLength { what, expected, found });
        if !(1..=MAX_REGIONS).contains(&regions.len()) {
            return bad("regions", MAX_REGIONS, regions.len());
        }
        if rest_shares.len() != regions.len() {
            return bad("rest shares", regions.len(), rest_shares.len());
        }
        if shortlist == 0 || shortlist > regions.len() {
            return bad("regions in the shortlist", regions.len(), shortlist);
        }
        let finite = |tensor, values: &[f32]| match values.iter().position(|v| !v.is_finite()) {
            Some(index) => Err(Error::NonFiniteWeight { tensor, index, value: values[index] }),
            None => Ok(()),
        };
        finite("distortions", &distortions)?;
        finite("rest_share", &rest_shares)?;
        for region in &regions {
            let (latents, found) = (region.plan.latents(), region.basis.len());
            if region.centroid.len() != dim {
                return bad("values in a centroid", dim, region.centroid.len());
            }
            if latents > dim || found != latents * dim {
                return bad("values in a basis", latents.min(dim) * dim, found);
            }
            finite("centroids", &region.centroid)?;
            finite("basis", &region.basis)?;
        }
        let assigner = Assigner::new(dim, &regions, &distortions, &rest_shares, shortlist);
        Ok(Self { regions, distortions, rest_shares, shortlist, assigner })
    }

    pub(crate) fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The region of an encoded row.
    #[inline(always)]
    pub(crate) fn region_of(&self, packed: &[u8]) -> usize {
        region::region_of(packed, self.regions.len())
    }

    /// Encodes rows `[rows, dim]` whose norms are divided out if they are stored, and gives the number of
    /// each clipped row to `clipped`. If latents leave the range of `f32`, it returns the first such row,
    /// and not all rows are encoded.
    pub(crate) fn encode(
        &self,
        rows: &[f32],
        scratch: &mut Scratch,
        packed: &mut [u8],
        clipped: impl FnMut(usize),
    ) -> Result<(), usize> {
        self.encoder().encode(rows, scratch, packed, clipped)
    }

    /// Writes the latents `[rows, latent_dim]` and the regions of rows `[rows, dim]`. Fails as `encode`
    /// does.
    pub(crate) fn latents(
        &self,
        rows: &[f32],
        scratch: &mut Scratch,
        latents: &mut [f32],
        regions: &mut [u8],
    ) -> Result<(), usize> {
        self.encoder().latents(rows, scratch, latents, regions)
    }

    /// Decodes latents of regions `[rows]`, of which `latents_of` gives a row.
    pub(crate) fn decode_latents<'a>(
        &self,
        regions: &[u8],
        latents_of: impl Fn(usize) -> &'a [f32],
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        code::decode_latents(&self.regions, regions, latents_of, scratch, out);
    }

    fn encoder(&self) -> Encoder<'_> {
        Encoder { regions: &self.regions, assigner: &self.assigner }
    }

    /// Decodes rows `[rows, dim]`, without their norms.
    pub(crate) fn decode(&self, packed: &[u8], scratch: &mut Scratch, out: &mut [f32]) {
        code::decode(&self.regions, packed, scratch, out);
    }

    pub(crate) fn distortions(&self) -> &[f32; RATE_COUNT] {
        &self.distortions
    }

    pub(crate) fn rest_shares(&self) -> &[f32] {
        &self.rest_shares
    }

    pub(crate) fn shortlist(&self) -> usize {
        self.shortlist
    }

    /// What tells the region of a row.
    #[cfg(feature = "gpu")]
    pub(crate) fn assigner(&self) -> &Assigner {
        &self.assigner
    }

    /// Latents of the longest region.
    pub(crate) fn latent_dim(&self) -> usize {
        self.regions.iter().map(|region| region.plan.latents()).max().unwrap_or(0)
    }
}
