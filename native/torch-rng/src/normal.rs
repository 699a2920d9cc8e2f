//! Normally distributed numbers, sixteen at a time.
//!
//! The polynomials of [`log_cephes`] and [`sincos_cephes`] are those of the Cephes library in
//! the vectorised form of Julien Pommier and Giovanni Garberoglio (zlib licence), with the
//! multiply-adds fused where the wheel's compiler fused them.

/// Turns 16 uniforms into 16 normals: the first eight are radii, the last eight angles.
pub(crate) fn box_muller_16(block: &mut [f32]) {
    let (radii, angles) = block.split_at_mut(8);
    for (u1, u2) in radii.iter_mut().zip(angles) {
        let r = (-2.0 * log_cephes(1.0 - *u1)).sqrt();
        let (sin, cos) = sincos_cephes(std::f32::consts::TAU * *u2);
        *u1 = r * cos;
        *u2 = r * sin;
    }
}

/// Natural logarithm of a positive f32.
fn log_cephes(x: f32) -> f32 {
    const P: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_87e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    let bits = x.max(f32::MIN_POSITIVE).to_bits();
    let mut exponent = ((bits >> 23) as i32 - 127) as f32 + 1.0;
    let mut m = f32::from_bits((bits & 0x807f_ffff) | 0x3f00_0000); // in [0.5, 1)
    if m < 0.707_106_77 {
        exponent -= 1.0;
        m = (m - 1.0) + m;
    } else {
        m -= 1.0;
    }
    let z = m * m;
    let mut y = P[0];
    for &c in &P[1..] {
        y = y.mul_add(m, c);
    }
    y *= m;
    y = y.mul_add(z, exponent * -2.121_944_4e-4);
    y = z.mul_add(-0.5, y);
    exponent.mul_add(0.693_359_4, m + y)
}

/// (sin x, cos x) for 0 ≤ x < 8192.
fn sincos_cephes(x: f32) -> (f32, f32) {
    // 4/π; then π/4 in three parts, so that the reduction keeps every bit.
    let j = ((x * 1.273_239_5) as i32 + 1) & !1;
    let y = j as f32;
    let x = y.mul_add(-0.785_156_25, x);
    let x = y.mul_add(-2.418_756_5e-4, x);
    let x = y.mul_add(-3.774_895e-8, x);
    let z = x * x;
    let c = 2.443_315_7e-5f32
        .mul_add(z, -1.388_731_6e-3)
        .mul_add(z, 4.166_664_6e-2)
        * z;
    let c = c.mul_add(z, -(z * 0.5)) + 1.0;
    let s = (-1.951_529_6e-4f32)
        .mul_add(z, 8.332_161e-3)
        .mul_add(z, -1.666_665_5e-1)
        * z;
    let s = s.mul_add(x, x);
    let (sin, cos) = if j & 2 == 0 { (s, c) } else { (c, s) };
    (
        if j & 4 != 0 { -sin } else { sin },
        if (j - 2) & 4 == 0 { -cos } else { cos },
    )
}
