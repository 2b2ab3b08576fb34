import { expect, test } from 'vitest'
import { dayTicks } from './day-ticks'

const local = (hour: number, minute = 0): number => new Date(2026, 10, 24, hour, minute).getTime()
const DAY = 86_400_000

test('each six hours of the user’s clock', () => {
  expect(dayTicks(local(4, 30), DAY).map((tick) => tick.at)).toEqual([local(6), local(12), local(18), local(24)])
  expect(dayTicks(local(4, 30), DAY)[0]?.part).toBeCloseTo(1.5 / 24)
})

test('none where the text would leave the strip', () => {
  expect(dayTicks(local(5, 15), DAY).map((tick) => tick.at)).toEqual([local(12), local(18), local(24)])
  expect(dayTicks(local(2, 45), DAY).map((tick) => tick.at)).toEqual([local(6), local(12), local(18)])
})

test('nothing of nothing', () => {
  expect(dayTicks(Number.NaN, DAY)).toEqual([])
  expect(dayTicks(0, 0)).toEqual([])
})
