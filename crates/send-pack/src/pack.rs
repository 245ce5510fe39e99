//! Whole objects in a pack: a few small ones gain nothing from deltas.

use flate2::{Compress, CompressError, Compression, FlushCompress, Status};
use gix_hash::Kind;

/// What an object is; the values are those of the pack format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A commit.
    Commit = 1,
    /// A folder.
    Tree = 2,
    /// A file's content.
    Blob = 3,
}

/// A pack could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// More than four thousand million objects.
    #[error("a pack cannot hold {0} objects")]
    TooMany(usize),
    /// Compression failed.
    #[error("an object could not be compressed: {0}")]
    Compress(#[from] CompressError),
    /// Hashing failed.
    #[error("the pack could not be hashed: {0}")]
    Hash(String),
}

/// A pack of these objects.
///
/// # Errors
/// There are too many.
pub fn pack<'a>(
    objects: impl ExactSizeIterator<Item = (ObjectKind, &'a [u8])>,
    format: Kind,
) -> Result<Vec<u8>, PackError> {
    let count = u32::try_from(objects.len()).map_err(|_| PackError::TooMany(objects.len()))?;
    let mut pack = b"PACK\x00\x00\x00\x02".to_vec();
    pack.extend_from_slice(&count.to_be_bytes());
    // One for all objects: to begin costs more than to compress a manifest.
    let mut compress = Compress::new(Compression::fast(), true);
    for (kind, data) in objects {
        append_head(&mut pack, kind, data.len());
        append_compressed(&mut pack, &mut compress, data)?;
    }
    let mut hasher = gix_hash::hasher(format);
    hasher.update(&pack);
    let hash = hasher.try_finalize().map_err(|error| PackError::Hash(error.to_string()))?;
    pack.extend_from_slice(hash.as_bytes());
    Ok(pack)
}

fn append_compressed(pack: &mut Vec<u8>, compress: &mut Compress, data: &[u8]) -> Result<(), PackError> {
    compress.reset();
    loop {
        // Room for what is left even if it does not get smaller, and more where that is not enough.
        let taken = usize::try_from(compress.total_in()).unwrap_or(usize::MAX).min(data.len());
        pack.reserve(data.len() - taken + 64);
        if compress.compress_vec(&data[taken..], pack, FlushCompress::Finish)? == Status::StreamEnd {
            return Ok(());
        }
    }
}

/// Kind and size: four bits of the size in the first byte, seven in each that follows, the lowest first.
fn append_head(pack: &mut Vec<u8>, kind: ObjectKind, mut size: usize) {
    let low = |size: usize, bits: u32| u8::try_from(size & ((1 << bits) - 1)).unwrap_or_default();
    let mut byte = (kind as u8) << 4 | low(size, 4);
    size >>= 4;
    while size > 0 {
        pack.push(byte | 0x80);
        byte = low(size, 7);
        size >>= 7;
    }
    pack.push(byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_is_the_same_again() {
        let mut noise = 1_u32;
        let noise = std::iter::repeat_with(move || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.to_be_bytes()[0]
        });
        let texts = [Vec::new(), b"role: primary".repeat(10_000), noise.take(100_000).collect()];
        let mut compress = Compress::new(Compression::fast(), true);
        for text in &texts {
            let mut packed = b"before".to_vec();
            append_compressed(&mut packed, &mut compress, text).unwrap();
            let mut again = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(&packed[6..]), &mut again)
                .unwrap();
            assert_eq!(&again, text);
        }
    }

    #[test]
    fn sizes_are_written_as_git_reads_them() {
        let head = |size| {
            let mut bytes = Vec::new();
            append_head(&mut bytes, ObjectKind::Blob, size);
            bytes
        };
        assert_eq!(head(0), [0x30]);
        assert_eq!(head(15), [0x3f]);
        assert_eq!(head(16), [0xb0, 0x01]);
        assert_eq!(head(0x7ff), [0xbf, 0x7f]);
        assert_eq!(head(0x800), [0xb0, 0x80, 0x01]);
    }
}
