use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::Value;

/// Maximum number of columns; longer pictures are thinned out.
const COLUMNS: usize = 1500;

/// A table of values as a picture: 256 steps, the first row at the bottom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Grid {
    /// Columns: time.
    pub width: usize,
    /// Rows: channels.
    pub height: usize,
    /// The value of step 0.
    pub low: Value,
    /// The value of step 255.
    pub high: Value,
    /// Whether zero lies in the middle of the steps.
    pub signed: bool,
    /// The steps, row by row, base64.
    pub steps: String,
}

impl Grid {
    /// Quantises `values`, [height, width] row-major, over the range `low` to `high`. NaN becomes
    /// the lowest step. None if there are no values.
    pub fn new(values: &[f32], height: usize, low: f32, high: f32) -> Option<Self> {
        let width = values.len().checked_div(height).filter(|&w| w > 0)?;
        let thin = width.div_ceil(COLUMNS);
        let scale = if high > low {
            255.0 / (high - low)
        } else {
            0.0
        };
        let step = |x: f32| ((x - low) * scale).round().clamp(0.0, 255.0) as u8;
        let rows = values.chunks_exact(width);
        let steps: Vec<u8> = rows
            .flat_map(|row| row.iter().step_by(thin).map(|&x| step(x)))
            .collect();
        Some(Self {
            width: width.div_ceil(thin),
            height,
            low: Value(f64::from(low)),
            high: Value(f64::from(high)),
            signed: low < 0.0 && low == -high,
            steps: BASE64.encode(steps),
        })
    }

    /// A PNG as a data URI. The lowest channel is at the bottom. None if the grid is damaged.
    pub fn png(&self) -> Option<String> {
        let steps = BASE64.decode(&self.steps).ok()?;
        let size = self.width.checked_mul(self.height)?;
        if self.width == 0 || steps.len() != size {
            return None;
        }
        let (width, height) = (
            u32::try_from(self.width).ok()?,
            u32::try_from(self.height).ok()?,
        );
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(self.palette());
        let upside_down: Vec<u8> = steps.rchunks_exact(self.width).flatten().copied().collect();
        let mut writer = encoder.write_header().ok()?;
        writer.write_image_data(&upside_down).ok()?;
        writer.finish().ok()?;
        Some(format!("data:image/png;base64,{}", BASE64.encode(bytes)))
    }

    /// 256 colours: viridis, or red to white to blue if zero is in the middle.
    fn palette(&self) -> Vec<u8> {
        let gradient = if self.signed {
            colorous::RED_BLUE
        } else {
            colorous::VIRIDIS
        };
        (0..256)
            .flat_map(|i| gradient.eval_rational(i, 256).as_array())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_becomes_a_png_with_the_first_row_at_the_bottom() {
        let grid = Grid::new(&[0.0, 1.0, 2.0, 4.0], 2, 0.0, 4.0).unwrap();
        let uri = grid.png().unwrap();
        let bytes = BASE64
            .decode(uri.strip_prefix("data:image/png;base64,").unwrap())
            .unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::IDENTITY);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, [128, 255, 0, 64]);
    }

    #[test]
    fn a_grid_without_values_has_no_picture() {
        assert_eq!(Grid::new(&[], 80, 0.0, 1.0), None);
        assert_eq!(Grid::new(&[1.0], 0, 0.0, 1.0), None);
        let flat = Grid::new(&[1.0, f32::NAN], 1, 1.0, 1.0).unwrap();
        assert!(flat.png().is_some());
        assert_eq!(Grid { width: 5, ..flat }.png(), None);
    }

    #[test]
    fn a_long_picture_is_thinned_out() {
        let grid = Grid::new(&vec![0.5; 4000 * 2], 2, 0.0, 1.0).unwrap();
        assert!(grid.width <= COLUMNS && grid.png().is_some());
    }
}
