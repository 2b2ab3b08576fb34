// Colours of lines. Each stands out from the panel it is drawn on (3 : 1), in both themes and on paper; where there are more
// lines than colours, dashes tell them apart. Pure.

export type Inks = readonly string[]

export const LIGHT: Inks = ['#0b5cad', '#b35900', '#2f7d4f', '#7a4fa3', '#00788a', '#a8327a', '#7a5c2e', '#5f5a53']
export const DARK: Inks = ['#7db7f0', '#f0a35e', '#7fcf9b', '#c3a2e8', '#5cc8d6', '#f08fc0', '#d9bd84', '#b0a99f']

/** A colour between two of the form `#rrggbb`: `share` of the first one. */
export function mixed(one: string, other: string, share: number): string {
  const parts = (colour: string): number[] => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) || 0)
  const [a, b] = [parts(one), parts(other.length === 4 ? other.replace(/[\da-f]/gi, '$&$&') : other)]
  return `#${a.map((part, at) => Math.round(part * share + (b[at] ?? 0) * (1 - share)).toString(16).padStart(2, '0')).join('')}`
}

export const inkOf = (inks: Inks, at: number): string => inks[at % inks.length] ?? '#888888'
export const dashOf = (inks: Inks, at: number): number[] => (at < inks.length ? [] : [6, 2, 2, 2])
