// What a measurement says: a JSON object a line on standard output, read by benches/src/page.rs.

export function line(name, value, note = '') {
  process.stdout.write(`${JSON.stringify({ name, value, note })}\n`)
}
