/* Text ⇄ ids: text/vocabulary.py, text/subwords.py and text/forms.py. A text is cut by code points, and white space is
 * what Python calls so, which is not all that JavaScript's \s is. */

const WHITE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const WHITE_BUT_FEED = WHITE.replace("\\t-\\r", "\\t\\v-\\r");
const LETTER = "\\p{L}\\p{N}_";
const WORD = new RegExp(` ?[${LETTER}]+(?:['’][${LETTER}]+)*| ?[^${LETTER}${WHITE}]|\\n| +(?= )|[${WHITE}]`, "gu");
const TOKEN = new RegExp(`[^${WHITE}]+|[\\n\\v]`, "gu");
const TOKEN_AND_SPACE = new RegExp(`[${WHITE.replace("\\t-\\r", "\\t\\f\\r")}]*(?:[^${WHITE}]+|[\\n\\v])`, "gu");
const SYMBOLS =
  "!-\\/:-@\\[-`\\{-~\\xa1-\\xa9\\xab-\\xb4\\xb6-\\xb9\\xbb-\\xbf\\xd7\\xf7\\u060c\\u061b\\u061f\\u066a-\\u066d" +
  "\\u06d4\\u0964\\u0965\\u2010-\\u2027\\u2030-\\u205e\\u20a0-\\u20cf\\u2100-\\u214f\\u2190-\\u2bff\\u3001-\\u3004" +
  "\\u3008-\\u3020\\u3030\\u30fb\\ufe30-\\ufe6f\\uff01-\\uff0f\\uff1a-\\uff20\\uff3b-\\uff40\\uff5b-\\uff65" +
  "\\u{1f000}-\\u{1faff}";
const PIECE = new RegExp(
  ` ?[^${WHITE}0-9${SYMBOLS}]{1,32}| ?[0-9]{1,32}| ?[${SYMBOLS}]{1,32}` +
    `|\\n|[${WHITE_BUT_FEED}]{1,32}(?= [^${WHITE}])|[${WHITE_BUT_FEED}]{1,32}`,
  "gu",
);

/** The bytes of a text in UTF-8. A lone surrogate U+DC80 … U+DCFF stands for a byte that is not UTF-8. */
function bytesOf(text) {
  const bytes = [];
  for (const character of text) {
    const c = character.codePointAt(0);
    if (c < 0x80) bytes.push(c);
    else if (c < 0x800) bytes.push(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c >= 0xdc80 && c <= 0xdcff) bytes.push(c - 0xdc00);
    else if (c < 0x10000) bytes.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else bytes.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
  }
  return bytes;
}

/** How many bytes at `start` are one character in UTF-8; 0 if none is, -1 if it is cut off by the end. */
function characterLength(bytes, start) {
  const b = bytes[start];
  if (b < 0x80) return 1;
  const length = b >= 0xc2 && b < 0xe0 ? 2 : b >= 0xe0 && b < 0xf0 ? 3 : b >= 0xf0 && b < 0xf5 ? 4 : 0;
  const low = { 0xe0: 0xa0, 0xf0: 0x90 }[b] || 0x80,
    high = { 0xed: 0x9f, 0xf4: 0x8f }[b] || 0xbf;
  for (let i = 1; i < length; i++) {
    if (start + i >= bytes.length) return -1;
    const next = bytes[start + i];
    if (next < (i === 1 ? low : 0x80) || next > (i === 1 ? high : 0xbf)) return 0;
  }
  return length;
}

/** The text of some bytes; those that are not UTF-8 become lone surrogates. */
function textOfBytes(bytes) {
  const parts = [];
  for (let i = 0; i < bytes.length;) {
    const length = Math.max(0, characterLength(bytes, i));
    if (!length) parts.push(String.fromCharCode(0xdc00 + bytes[i]));
    else {
      let point = length === 1 ? bytes[i] : bytes[i] & (0xff >> (length + 1));
      for (let k = 1; k < length; k++) point = (point << 6) | (bytes[i + k] & 63);
      parts.push(String.fromCodePoint(point));
    }
    i += length || 1;
  }
  return parts.join("");
}

class Vocabulary {
  /** fields: level, symbols, and merges, normalize, separator where they are. */
  constructor({ level, symbols, merges = [], normalize = "none", separator = null }) {
    Object.assign(this, { level, symbols, normalize, separator });
    this.size = symbols.length + 2;
    this.ids = new Map(symbols.map((symbol, index) => [symbol, index + 2]));
    this.ids.set(level === "byte" ? 10 : "\n", EOS);
    const text = (symbol) => (level === "token" && !/^[\n\v]$/.test(symbol) ? symbol + " " : symbol);
    this.texts = level === "byte" ? null : ["\n", "<UNK>", ...symbols].map(text);
    this.widths = ["\n", " ", ...symbols].map((symbol) => (level === "byte" ? 1 : Array.from(symbol).length));
    const first = this.size - merges.length;
    this.merged = new Map(merges.map(([left, right], rank) => [left * this.size + right, first + rank]));
  }

  /** A text as the model reads it. */
  inside(text) {
    if (this.normalize !== "none" && this.level !== "byte") text = text.normalize(this.normalize);
    if (this.separator !== null) text = text.replaceAll("\n", "\v");
    if (this.level !== "token") return text;
    return (text.match(TOKEN) || []).map((token) => (/[\n\v]/.test(token) ? token : token + " ")).join("");
  }

  /** What the model has written, for a person. ended: no token follows. */
  outside(text, ended = true) {
    if (this.level === "token") text = text.replace(ended ? / (?=[\n\v]|$)/g : / (?=[\n\v])/g, "");
    return this.separator === null ? text : text.replaceAll("\v", "\n");
  }

  /** The symbols of a text: strings, or bytes. Of subwords they are the characters. */
  symbolsIn(text) {
    if (this.level === "word") return text.match(WORD) || [];
    if (this.level === "token") return text.match(TOKEN) || [];
    return this.level === "byte" ? bytesOf(text) : Array.from(text);
  }

  /** The distinct symbols of a text that the model does not know. */
  unknownIn(text) {
    return [...new Set(this.symbolsIn(text).filter((symbol) => !this.ids.has(symbol)))];
  }

  encode(text) {
    const ids = (symbols) => symbols.map((symbol) => this.ids.get(symbol) ?? UNKNOWN);
    if (this.level !== "subword") return ids(this.symbolsIn(text));
    return (text.match(PIECE) || []).flatMap((piece) => this._merge(ids(Array.from(piece))));
  }

  /** Join the characters of a piece: in each round the first merge that is left, wherever it can be, from the left. */
  _merge(ids) {
    for (;;) {
      let made = Infinity;
      for (let i = 0; i + 1 < ids.length; i++)
        made = Math.min(made, this.merged.get(ids[i] * this.size + ids[i + 1]) ?? Infinity);
      if (made === Infinity) return ids;
      const after = [];
      for (let i = 0; i < ids.length; i++) {
        const joins = i + 1 < ids.length && this.merged.get(ids[i] * this.size + ids[i + 1]) === made;
        after.push(joins ? made : ids[i]);
        if (joins) i++;
      }
      ids = after;
    }
  }

  decode(ids) {
    if (this.level !== "byte") return Array.from(ids, (id) => this.texts[id]).join("");
    const bytes = Array.from(ids, (id) =>
      id === EOS ? [10] : id === UNKNOWN ? bytesOf("<UNK>") : this.symbols[id - 2],
    );
    return textOfBytes(bytes.flat());
  }

  /** The part of a text that each of its tokens stands for. At the level of bytes: the bytes. */
  split(text) {
    if (this.level === "token") return text.match(TOKEN_AND_SPACE) || [];
    if (this.level !== "subword") return this.symbolsIn(text);
    const characters = Array.from(text);
    let start = 0;
    return this.encode(text).map((id) => characters.slice(start, (start += this.widths[id])).join(""));
  }
}

/** The pieces of a text in which tokens stay: see text/subwords.py. */
function piecesOf(text) {
  return text.match(PIECE) || [];
}
