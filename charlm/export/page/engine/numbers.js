"use strict";
/* Elementary functions and random numbers that are the same bits in every browser: they use only the operations that
 * IEEE 754 fixes, and not Math.exp, whose last bits differ from one browser to the next. */

const EXPONENTS = new Float64Array(2124); // 2^(i - 1100), 0 below 2^-1074
EXPONENTS[1100] = 1;
for (let i = 1101; i < 2124; i++) EXPONENTS[i] = EXPONENTS[i - 1] * 2;
for (let i = 1099; i >= 0; i--) EXPONENTS[i] = EXPONENTS[i + 1] / 2;
const LN2_HIGH = 0.6931471803691238,
  LN2_LOW = 1.9082149292705877e-10,
  LN2 = 0.6931471805599453;

/** e^x with a relative error below 10^-11; 0 below -745. */
function exponential(x) {
  if (x < -745) return 0;
  if (x > 709) x = 709;
  const n = Math.floor(x * 1.4426950408889634 + 0.5);
  const r = x - n * LN2_HIGH - n * LN2_LOW;
  const p = 1 / 720 + r * (1 / 5040 + r * (1 / 40320 + r * (1 / 362880 + r * (1 / 3628800))));
  const q = 1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * p)))));
  return q * EXPONENTS[n + 1100];
}

const BITS = new Float64Array(1);
const WORDS = new Uint32Array(BITS.buffer); // the low word first, as on all machines that run browsers

/** ln x of x > 0 with an absolute error below 10^-12; of 0 that of the smallest number. */
function logarithm(x) {
  let exponent = -1023;
  if (x < 2.2250738585072014e-308) {
    x = Math.max(x, 5e-324) * 18014398509481984; // 2^54
    exponent -= 54;
  }
  BITS[0] = x;
  exponent += WORDS[1] >>> 20;
  WORDS[1] = (WORDS[1] & 0xfffff) | 0x3ff00000;
  let m = BITS[0];
  if (m > 1.4142135623730951) {
    m *= 0.5;
    exponent += 1;
  }
  const s = (m - 1) / (m + 1),
    t = s * s;
  const series = 1 / 3 + t * (1 / 5 + t * (1 / 7 + t * (1 / 9 + t * (1 / 11 + t * (1 / 13 + t * (1 / 15))))));
  return exponent * LN2 + 2 * s * (1 + t * series);
}

function sigmoid(x) {
  return 1 / (1 + exponential(-x));
}

function hyperbolicTangent(x) {
  return 1 - 2 / (1 + exponential(2 * x));
}

/** The index of the largest number, the first one of several. */
function largestIndex(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/** exp(x - max x) of each number of `values`, into `powers`: [their sum, max x]. */
function powersOf(values, powers) {
  let highest = -Infinity,
    sum = 0;
  for (let i = 0; i < values.length; i++) if (values[i] > highest) highest = values[i];
  for (let i = 0; i < values.length; i++) sum += powers[i] = exponential(values[i] - highest);
  return [sum, highest];
}

/** softmax of logits: Float64Array. */
function softmax(logits) {
  const powers = new Float64Array(logits.length),
    [sum] = powersOf(logits, powers);
  for (let i = 0; i < powers.length; i++) powers[i] /= sum;
  return powers;
}

/** Half precision → a number. bits: 16 of them. */
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1,
    exponent = (bits >> 10) & 31,
    fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * EXPONENTS[1100 - 24];
  return sign * (1024 + fraction) * EXPONENTS[1100 + exponent - 25];
}

function fromHalves(raw) {
  const values = new Float32Array(raw.length);
  for (let i = 0; i < raw.length; i++) values[i] = fromHalf(raw[i]);
  return values;
}

// Random numbers: those of charlm (sampling/random_streams.py), so that one seed gives the same samples there and here.

const MASK = (1n << 64n) - 1n;
const GAMMA = 0x9e3779b97f4a7c15n;

function mixBits(bits) {
  bits = ((bits ^ (bits >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  bits = ((bits ^ (bits >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return bits ^ (bits >> 31n);
}

function bitsAt(key, position) {
  return mixBits((key + mixBits((position * GAMMA) & MASK)) & MASK);
}

/** The key of a seed: a whole number from 0 to 2^64 - 1, as a number or as decimal digits. */
function keyOf(seed) {
  if (typeof seed === "number" ? !Number.isSafeInteger(seed) || seed < 0 : !/^[0-9]{1,20}$/.test(seed))
    throw new Error("the seed must be a whole number from 0 to 2^64 - 1");
  const limb = BigInt(seed);
  if (limb > MASK) throw new Error("the seed must be a whole number from 0 to 2^64 - 1");
  return bitsAt(bitsAt(1n, 1n), limb);
}

/** One stream of random numbers, 0 ≤ number < 1. */
class RandomStream {
  constructor(key) {
    this.key = key;
    this.taken = 0n;
  }

  next() {
    return Number(bitsAt(this.key, this.taken++) >> 11n) * EXPONENTS[1100 - 53];
  }
}
