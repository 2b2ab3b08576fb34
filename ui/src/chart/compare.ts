// With which earlier time a chart is compared. Pure.

export const COMPARES = ['1d', '1w', '4w'] as const
export type Compare = (typeof COMPARES)[number]

const DAY = 86_400
const SHIFTS: Record<Compare, number> = { '1d': DAY, '1w': 7 * DAY, '4w': 28 * DAY }

/** How much earlier, seconds. */
export const shiftOf = (compare: Compare): number => SHIFTS[compare]

/** What the address says. */
export const compareOf = (text: string | undefined): Compare | undefined => COMPARES.find((one) => one === text)

/** Off, 1d, 1w, 4w, off … */
export const nextOf = (compare: Compare | undefined): Compare | undefined =>
  compare === undefined ? COMPARES[0] : COMPARES[COMPARES.indexOf(compare) + 1]
