// Where in a query the server's error points. Pure.

/** A part of a text, in UTF-16 units; never empty unless the text is. */
export interface Place {
  readonly from: number
  readonly to: number
}
export interface Told {
  readonly message: string
  readonly place: Place | undefined
}

const POSITION = /(?:^|\s)(\d{1,6}):(\d{1,6})(?:-(?:(\d{1,6}):)?(\d{1,6}))?: (?=parse error)/

/** The message without its position, and that position in the query. */
export function placed(message: string, query: string): Told {
  const found = POSITION.exec(message)
  if (!found) return { message: bare(message), place: undefined }
  const [, line, column, endLine, endColumn] = found
  const from = offset(query, Number(line), Number(column))
  const to = endColumn === undefined ? undefined : offset(query, Number(endLine ?? line), Number(endColumn))
  return { message: bare(message.slice(found.index + found[0].length)), place: from === undefined ? undefined : widened(query, from, to) }
}

const bare = (message: string): string => message.replace(/^(?:invalid parameter "query": )?(?:parse error: )?/, '')

/** Lines and columns count from 1, columns in bytes. The end of the text is a place too. */
function offset(query: string, line: number, column: number): number | undefined {
  const lines = query.split('\n')
  const text = lines[line - 1]
  if (text === undefined || column < 1) return undefined
  let bytes = column - 1
  let at = 0
  for (const letter of text) {
    if (bytes <= 0) break
    bytes -= new TextEncoder().encode(letter).length
    at += letter.length
  }
  return lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + at
}

/** At least one letter: the word that begins there; at the end the last letter. */
function widened(query: string, from: number, to: number | undefined): Place {
  if (to !== undefined && to > from) return { from, to }
  const word = /^(?:[\w:.]+|"(?:[^"\\]|\\.)*"?|[\s\S])/u.exec(query.slice(from))?.[0] ?? ''
  if (word !== '') return { from, to: from + word.length }
  return { from: Math.max(0, query.length - 1), to: query.length }
}

/** The line with the place, and carets under it: for whoever hears or prints it. */
export function excerpt(query: string, place: Place): string {
  const begin = query.lastIndexOf('\n', Math.max(0, place.from - 1)) + 1
  const end = query.indexOf('\n', place.from)
  const line = query.slice(begin, end < 0 ? undefined : end)
  return `${line}\n${' '.repeat(Math.max(0, place.from - begin))}${'^'.repeat(Math.max(1, Math.min(place.to, begin + line.length) - place.from))}`
}
