import { expect, test } from 'vitest'
import type { Result } from '../api/prometheus'
import { csv, fileName } from './export'
import { histogramText, readable } from './histogram'
import { compareValues, numberText } from './number'
import { rowsOf, sorted, VALUE } from './rows'
import { differing, metricSelector, seriesName } from './series-name'

const HISTOGRAM = { count: '12', sum: '30.5', buckets: [[3, '-0.001', '0.001', '4'], [0, '1', '2', '8']] as [number, string, string, string][] }
const VECTOR: Result = {
  resultType: 'vector',
  result: [
    { metric: { __name__: 'up', job: 'node10', note: 'a "b",\nc' }, value: [1_790_000_000.5, '1'] },
    { metric: { __name__: 'up', job: 'node9' }, value: [1_790_000_000.5, '+Inf'] },
    { metric: { job: '=1+1' }, value: [1_790_000_000.5, 'NaN'] },
    { metric: { job: 'h' }, histogram: [1_790_000_000, HISTOGRAM] },
  ],
}

test('CSV of a vector', () => {
  expect(csv(VECTOR)).toBe(
    'time,__name__,job,note,value\r\n' +
      '2026-09-21T14:13:20.500Z,up,node10,"a ""b"",\nc",1\r\n' +
      '2026-09-21T14:13:20.500Z,up,node9,,+Inf\r\n' +
      "2026-09-21T14:13:20.500Z,,'=1+1,,NaN\r\n" +
      '2026-09-21T14:13:20.000Z,,h,,"{count:12, sum:30.5, [-0.001,0.001]:4, (1,2]:8}"\r\n',
  )
})

test('CSV of a matrix, a scalar', () => {
  const matrix: Result = { resultType: 'matrix', result: [{ metric: { a: 'b' }, values: [[1, '-1.5'], [2, '3']], histograms: [[3, { count: '1', sum: '2' }]] }] }
  expect(csv(matrix)).toBe('time,a,value\r\n1970-01-01T00:00:01.000Z,b,-1.5\r\n1970-01-01T00:00:02.000Z,b,3\r\n1970-01-01T00:00:03.000Z,b,"{count:1, sum:2}"\r\n')
  expect(csv({ resultType: 'scalar', result: [0, '7'] })).toBe('time,value\r\n1970-01-01T00:00:00.000Z,7\r\n')
})

test('names of files', () => {
  expect(fileName('sum by (job) (rate(x[5m]))', 'csv')).toBe('sum-by-job-rate-x-5m.csv')
  expect(fileName('{}', 'json')).toBe('query.json')
})

test('rows in order', () => {
  const jobs = (by: string, down: boolean): (string | undefined)[] => sorted(rowsOf(VECTOR), { by, down }).map((row) => row.labels['job'])
  expect(jobs('job', false)).toEqual(['=1+1', 'h', 'node9', 'node10'])
  expect(jobs(VALUE, false)).toEqual(['node10', 'h', 'node9', '=1+1'])
  expect(jobs(VALUE, true)).toEqual(['=1+1', 'node9', 'h', 'node10'])
  expect(sorted(rowsOf(VECTOR), undefined)).toEqual(rowsOf(VECTOR))
})

test('a range vector shows its last sample', () => {
  expect(rowsOf({ resultType: 'matrix', result: [{ metric: {}, values: [[1, '1'], [2, '5']] }] })).toEqual([{ labels: {}, value: '5', histogram: undefined, samples: 2 }])
})

test('a histogram is readable', () => {
  expect(readable(HISTOGRAM)).toEqual({ count: 12, mean: 30.5 / 12, bars: [{ range: '[-0.001, 0.001]', count: 4, share: 0.5 }, { range: '(1, 2]', count: 8, share: 1 }], left: 0 })
  expect(readable({ count: '0', sum: '0' })).toEqual({ count: 0, mean: undefined, bars: [], left: 0 })
  expect(histogramText({ count: '1', sum: '2' })).toBe('{count:1, sum:2}')
})

test.each([['1', '1'], ['0.30000000000000004', '0.3'], ['1234567.891', '1234570'], ['123456789012', '123456789012'], ['1.5e+30', '1.5e+30'], ['NaN', 'NaN'], ['+Inf', '+Inf']])('%s is written %s', (value, want) => expect(numberText(value)).toBe(want))
test('order of values', () => expect(['NaN', '+Inf', '2', '-Inf', '10'].sort(compareValues)).toEqual(['-Inf', '2', '10', '+Inf', 'NaN']))

test('names of series', () => {
  expect(seriesName({ __name__: 'up', b: 'x"y', a: '1' })).toBe('up{a="1", b="x\\"y"}')
  expect(seriesName({ __name__: 'up' })).toBe('up')
  expect(seriesName({})).toBe('{}')
  expect(seriesName({ __name__: 'a.b', 'c.d': 'e' })).toBe('{"a.b", "c.d"="e"}')
  expect([metricSelector('up'), metricSelector('a.b')]).toEqual(['up', '{"a.b"}'])
  expect(differing([{ a: '1', b: '1' }, { a: '1', b: '2', __name__: 'x' }])).toEqual(['__name__', 'b'])
})
