import { describe, expect, test } from 'vitest'
import { DARK, dashOf, inkOf, LIGHT, mixed } from './inks'

/** Relative luminance, as the rules of contrast have it. */
function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
const contrast = (a: string, b: string): number => {
  const [light = 0, dark = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return (light + 0.05) / (dark + 0.05)
}

describe('each colour stands out from its panel', () => {
  test.each(LIGHT)('%s on white', (ink) => expect(contrast(ink, '#ffffff')).toBeGreaterThanOrEqual(3))
  test.each(DARK)('%s on dark', (ink) => expect(contrast(ink, '#1e1c1a')).toBeGreaterThanOrEqual(3))
})

test('more lines than colours differ by dashes', () => {
  expect(inkOf(LIGHT, LIGHT.length)).toBe(LIGHT[0])
  expect(dashOf(LIGHT, 0)).toEqual([])
  expect(dashOf(LIGHT, LIGHT.length)).not.toEqual([])
})

test('between two colours', () => {
  expect(mixed('#000000', '#ffffff', 0.5)).toBe('#808080')
  expect(mixed('#102030', '#fff', 1)).toBe('#102030')
  expect(mixed('#000000', '#fff', 0)).toBe('#ffffff')
})
