//! Work for a processor, for the benchmark: what each export does takes some milliseconds, and its result depends on all
//! of it. guest.wasm is made by
//!
//!     rustc --edition 2021 --target wasm32-unknown-unknown --crate-type cdylib -C opt-level=3 -C panic=abort \
//!         -C lto=fat -C codegen-units=1 -C strip=symbols --remap-path-prefix "$HOME"=. -o guest.wasm guest.rs
#![no_std]

use core::hint::black_box;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// The first 32 bits of the fractional parts of the roots of the first primes, by integer arithmetic.
const fn root(prime: u64, cube: bool) -> u32 {
    // The largest x with x^2 (or x^3) <= prime * 2^64 (or 2^96); its low 32 bits are the fraction.
    let (mut low, mut high) = (0u128, 1u128 << 36);
    while high - low > 1 {
        let x = (low + high) / 2;
        let fits = if cube { x * x <= ((prime as u128) << 96) / x } else { x * x <= (prime as u128) << 64 };
        if fits {
            low = x;
        } else {
            high = x;
        }
    }
    low as u32
}

const fn roots<const N: usize>(cube: bool) -> [u32; N] {
    let (mut out, mut have, mut n) = ([0; N], 0, 2);
    while have < N {
        let mut d = 2;
        while d * d <= n && n % d != 0 {
            d += 1;
        }
        if d * d > n {
            out[have] = root(n, cube);
            have += 1;
        }
        n += 1;
    }
    out
}

static ROUND: [u32; 64] = roots(true);
static BEGIN: [u32; 8] = roots(false);

fn compress(state: &mut [u32; 8], block: &[u8]) {
    let mut w = [0u32; 64];
    for (word, bytes) in w.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    for i in 16..64 {
        let s0 = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ (w[i - 15] >> 3);
        let s1 = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16].wrapping_add(s0).wrapping_add(w[i - 7]).wrapping_add(s1);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for i in 0..64 {
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let t1 = h.wrapping_add(s1).wrapping_add((e & f) ^ (!e & g)).wrapping_add(ROUND[i]).wrapping_add(w[i]);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let t2 = s0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(t1), c, b, a, t1.wrapping_add(t2));
    }
    for (s, v) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *s = s.wrapping_add(v);
    }
}

fn sha256(message: &[u8]) -> [u32; 8] {
    let mut state = BEGIN;
    let whole = message.chunks_exact(64);
    let rest = whole.remainder();
    for block in whole {
        compress(&mut state, block);
    }
    let mut last = [0u8; 128];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    let end = if rest.len() < 56 { 64 } else { 128 };
    last[end - 8..end].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    for block in last[..end].chunks_exact(64) {
        compress(&mut state, block);
    }
    state
}

/// The first eight bytes of the digest of "abc": it must be that of the standard.
#[no_mangle]
pub extern "C" fn abc() -> i64 {
    let d = sha256(b"abc");
    (d[0] as i64) << 32 | d[1] as i64
}

#[no_mangle]
pub extern "C" fn hash(n: i32) -> i64 {
    let mut buf = [0u8; 64 << 10];
    for _ in 0..n {
        let digest = sha256(&buf);
        for (bytes, word) in buf.chunks_exact_mut(4).zip(digest) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
    }
    buf[0] as i64 | (buf[9] as i64) << 8
}

fn numbers() -> [i64; 20_000] {
    let mut r = Random(88172645463325252);
    core::array::from_fn(|_| (r.next() >> 1) as i64)
}

#[no_mangle]
pub extern "C" fn sort(n: i32) -> i64 {
    let mut sum = 0i64;
    for _ in 0..n {
        let mut s = numbers();
        s.sort_unstable();
        sum = sum.wrapping_add(s[s.len() / 3]);
    }
    sum
}

/// Sorts with a comparison that the compiler does not know.
#[no_mangle]
pub extern "C" fn sort_by(n: i32) -> i64 {
    let mut sum = 0i64;
    for _ in 0..n {
        let mut s = numbers();
        let by: fn(&i64, &i64) -> core::cmp::Ordering = black_box(|a, b| b.cmp(a));
        s.sort_unstable_by(by);
        sum = sum.wrapping_add(s[s.len() / 3]);
    }
    sum
}

const SIZE: usize = 64;

#[no_mangle]
pub extern "C" fn matrix(n: i32) -> i64 {
    let mut a: [[f64; SIZE]; SIZE] = core::array::from_fn(|i| core::array::from_fn(|j| (i + j) as f64));
    let b: [[f64; SIZE]; SIZE] = core::array::from_fn(|i| core::array::from_fn(|j| i as f64 - j as f64));
    let mut c = [[0.0; SIZE]; SIZE];
    for _ in 0..n {
        for i in 0..SIZE {
            for j in 0..SIZE {
                c[i][j] = (0..SIZE).map(|k| a[i][k] * b[k][j]).sum();
            }
        }
        a[3][4] = c[5][6] / 1e9;
    }
    c[7][8] as i64
}

#[no_mangle]
pub extern "C" fn sieve(n: i32) -> i64 {
    let mut count = 0;
    for _ in 0..n {
        let mut composite = [false; 200_000];
        for i in 2..composite.len() {
            if !composite[i] {
                count += 1;
                composite.iter_mut().skip(2 * i).step_by(i).for_each(|c| *c = true);
            }
        }
        black_box(&composite);
    }
    count
}

#[no_mangle]
pub extern "C" fn mandelbrot(n: i32) -> i64 {
    let mut count = 0;
    for _ in 0..n {
        for y in 0..48 {
            for x in 0..64 {
                let (cr, ci) = (black_box(x) as f64 / 32.0 - 1.5, y as f64 / 24.0 - 1.0);
                let (mut zr, mut zi) = (0.0, 0.0);
                for _ in 0..100 {
                    if zr * zr + zi * zi >= 4.0 {
                        break;
                    }
                    (zr, zi) = (zr * zr - zi * zi + cr, 2.0 * zr * zi + ci);
                    count += 1;
                }
            }
        }
    }
    count
}

fn fibonacci(n: i64) -> i64 {
    if n < 2 { n } else { fibonacci(n - 1) + fibonacci(n - 2) }
}

#[no_mangle]
pub extern "C" fn fib(n: i32) -> i64 {
    (0..n).map(|_| fibonacci(black_box(23))).sum()
}

trait Step {
    fn step(&self, x: u64) -> u64;
}
struct Add(u64);
struct Mul(u64);
struct Rotate(u32);
impl Step for Add {
    fn step(&self, x: u64) -> u64 {
        x.wrapping_add(self.0)
    }
}
impl Step for Mul {
    fn step(&self, x: u64) -> u64 {
        x.wrapping_mul(self.0)
    }
}
impl Step for Rotate {
    fn step(&self, x: u64) -> u64 {
        x.rotate_left(self.0)
    }
}

/// Calls through tables, of functions that do little.
#[no_mangle]
pub extern "C" fn objects(n: i32) -> i64 {
    let steps: [&dyn Step; 5] = black_box([&Add(7), &Rotate(13), &Mul(0x9e3779b97f4a7c15), &Rotate(5), &Add(11)]);
    let mut x = 1;
    for _ in 0..n {
        for i in 0..200_000 {
            x = steps[i % steps.len()].step(x);
        }
    }
    x as i64
}

/// Splits text into words and counts them in a table of its own making.
#[no_mangle]
pub extern "C" fn words(n: i32) -> i64 {
    let mut text = [b' '; 64 << 10];
    let mut r = Random(42);
    for c in text.iter_mut() {
        let x = r.next();
        *c = if x % 6 == 0 { b' ' } else { b'a' + (x >> 32) as u8 % 4 };
    }
    let mut total = 0;
    for _ in 0..n {
        let mut counts = [(0u64, 0u32); 4096];
        for word in text.split(|&c| c == b' ').filter(|w| !w.is_empty()) {
            let hash = word.iter().fold(0xcbf29ce484222325u64, |h, &c| (h ^ c as u64).wrapping_mul(0x100000001b3));
            let mut at = hash as usize % counts.len();
            for _ in 0..8 {
                if counts[at].1 == 0 || counts[at].0 == hash {
                    break;
                }
                at = (at + 1) % counts.len();
            }
            counts[at] = (hash, counts[at].1 + 1);
        }
        total += counts.iter().map(|c| (c.1 as i64) * (c.1 as i64)).sum::<i64>();
    }
    total
}
