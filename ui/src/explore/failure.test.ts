import { expect, test } from 'vitest'
import { Failure, type FailureKind } from '../api/client'
import { told, type Trouble } from './failure'

test.each<[FailureKind, string, Trouble]>([
  ['away', 'Failed to fetch', 'away'],
  ['away', 'signal timed out', 'timeout'],
  ['broken', 'query timed out in expression evaluation', 'timeout'],
  ['refused', 'query processing would load too many samples into memory in query execution', 'limit'],
  ['refused', 'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)', 'limit'],
  ['refused', 'invalid parameter "query": 1:1: parse error: unexpected limit', 'wrong'],
  ['refused', 'vector cannot contain metrics with the same labelset', 'wrong'],
  ['broken', 'disk is gone', 'broken'],
])('%s: %s', (kind, message, want) => expect(told(new Failure(kind, message), 'up').trouble).toBe(want))
