// What was measured: the lines of the table, the settings behind them, remarks.
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

export function rounded(value) {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

export class Results {
  #lines = [];
  #settings = new Map();
  #remarks = [];
  #broken = [];

  // `ours` and `theirs` hold one figure a round.  The ratio is the median of the rounds' ratios:
  // what slows the machine down for some seconds slows both sides of a round.  `target` is
  // { least } or { most }.
  ratio({ what, ours, reference, theirs, unit, target }) {
    const each = ours.map((value, i) => value / theirs[i]);
    const ratio = median(each);
    this.#line({
      what,
      ours: `${rounded(median(ours))} ${unit}`,
      reference: `${rounded(median(theirs))} ${unit}  ${reference}`,
      ratio: ratio.toFixed(2),
      spread: `${Math.min(...each).toFixed(2)}-${Math.max(...each).toFixed(2)}`,
    }, ratio, target);
  }

  // A figure that is its own measure.
  figure({ what, value, unit, target }) {
    this.#line({ what, ours: `${rounded(value)} ${unit}`, reference: '', ratio: '', spread: '' }, value, target);
  }

  #line(line, value, { least, most } = {}) {
    const isMet = (least === undefined || value >= least) && (most === undefined || value <= most);
    line.target = least === undefined && most === undefined ? '' : least === undefined ? `<= ${most}` : `>= ${least}`;
    line.verdict = line.target && (isMet ? 'met' : 'MISSED');
    this.#lines.push(line);
    console.log(`  ${line.what}: ${[line.ours, line.reference && `against ${line.reference}`, line.ratio && `ratio ${line.ratio} (${line.spread})`]
      .filter(Boolean).join(', ')}`);
  }

  // Every setting that is not its program's default.
  settings(who, values) {
    this.#settings.set(who, typeof values === 'string' ? values
      : Object.entries(values).map(([name, value]) => `${name}=${value}`).join(' '));
  }

  remark(text) {
    this.#remarks.push(text);
    console.log(`  ${text}`);
  }

  // One round of a measurement, as it is made.
  round(figures) {
    console.log(`    ${Object.entries(figures).map(([what, value]) => `${what} ${rounded(value)}`).join(', ')}`);
  }

  broken(part, e) {
    this.#broken.push(`${part} could not run: ${e.stack ?? e}`);
    console.log(`  could not run: ${e.message}`);
  }

  get isBroken() {
    return this.#broken.length > 0;
  }

  print() {
    const titles = { what: 'measured', ours: 'cronward', reference: 'reference', ratio: 'ratio', spread: 'rounds', target: 'target', verdict: '' };
    const widths = Object.entries(titles).map(([key, title]) =>
      Math.max(title.length, ...this.#lines.map((line) => line[key].length)));
    const text = (line) => `| ${Object.keys(titles).map((key, i) => line[key].padEnd(widths[i])).join(' | ')} |`;
    console.log(`\n${text(titles)}\n|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`);
    for (const line of this.#lines) console.log(text(line));
    if (this.#remarks.length > 0) console.log(`\n${this.#remarks.join('\n')}`);
    console.log('\nChanged settings');
    for (const [who, values] of this.#settings) console.log(`  ${who}: ${values}`);
    for (const line of this.#broken) console.log(`\n${line}`);
  }
}
