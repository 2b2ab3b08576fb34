// Log lines as they are shown: what a terminal would obey is taken out or made visible. Pure.

// Escape sequences: CSI (colours, cursor), strings (titles, links) up to their end, and the short ones.
// eslint-disable-next-line no-control-regex
const ESCAPES = /\u001b\[[0-?]*[ -/]*[@-~]|\u009b[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]/g
/** What turns the direction of writing: it could make a line read as another one. */
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f]/g

const named = (letter: string): string => `⟨U+${letter.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`

/** A line without escape sequences; other controls as pictures, turns of direction by name. */
export function shownText(line: string): string {
  return line
    .replace(ESCAPES, '')
    .replace(/\r+$/, '')
    .replace(TURNS, named)
    .replace(CONTROLS, (letter) => (letter === '\u007f' ? '␡' : String.fromCharCode(0x2400 + letter.charCodeAt(0))))
}
