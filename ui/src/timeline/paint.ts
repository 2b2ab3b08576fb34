// Draws the lanes on a canvas. Colours come from the page's custom properties, so that light, dark and paper all fit.
import type { Level } from '../api/types'
import { GLYPHS } from '../part/shapes'
import type { Span } from '../route/range'
import type { Tick } from './axis'
import { TICK, type Mark, type Shape, type Unseen } from './event'
import { clusters, laneAt, strips, ticksOf, xOf, type Placed, type Sizes } from './layout'
import type { State } from './state'

const COLOURS = [
  'bg', 'panel', 'sunken', 'line', 'line-strong', 'text', 'dim', 'link', 'focus', 'alert', 'alert-soft', 'notice', 'notice-soft', 'none',
  'none-soft', 'quiet', 'unseen', 'heat-none', 'heat-notice', 'heat-alert',
] as const
export type Palette = Record<(typeof COLOURS)[number], string> & { font: string }

/** The colours in force; `paper` asks for the light ones, whatever is in force. */
export function paletteOf(paper: boolean): Palette {
  const root = document.documentElement
  const theme = root.dataset['theme']
  if (paper) root.dataset['theme'] = 'light'
  const style = getComputedStyle(root)
  const pairs = COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()])
  const font = style.getPropertyValue('--sans').trim()
  if (paper && theme !== undefined) root.dataset['theme'] = theme
  return { ...(Object.fromEntries(pairs) as Palette), font }
}

interface Selected {
  at: number
  lane: string | undefined
  bar: boolean
}

/** All that a picture shows. */
export interface Scene {
  sizes: Sizes
  /** Height of the canvas, CSS pixels. */
  height: number
  /** How far the lanes are scrolled up. */
  scroll: number
  lanes: readonly Placed[]
  view: Span
  /** Until then it is known how everything is: what is open ends there. */
  now: number
  unseen: readonly Unseen[]
  ticks: readonly Tick[]
  tickLabel: (tick: Tick) => string
  dayLabel: (at: number) => string
  laneName: (placed: Placed) => string
  barLabel: (level: Level, cause: string) => string
  /** The lane that the keyboard is on. */
  lane: string | undefined
  /** What is chosen: `bar` is a finding, else a mark. */
  selected: Selected | undefined
  pointer: number | undefined
  brush: Span | undefined
  palette: Palette
}

const MARK = 13

type Context = CanvasRenderingContext2D

export function paint(ctx: Context, scene: Scene): void {
  const { sizes, height, palette } = scene
  ctx.fillStyle = palette.panel
  ctx.fillRect(0, 0, sizes.width, height)
  grid(ctx, scene)
  eachSeen(ctx, scene, (placed) => lane(ctx, scene, placed))
  // A state or finding that goes on through a time that was not seen is covered there; what was seen is not.
  hatched(ctx, scene)
  eachSeen(ctx, scene, (placed) => above(ctx, scene, placed))
  cursors(ctx, scene)
  axis(ctx, scene)
}

/** Draws each lane that is in sight; places count from the top of all lanes. */
function eachSeen(ctx: Context, scene: Scene, draw: (placed: Placed) => void): void {
  const { sizes } = scene
  ctx.save()
  ctx.beginPath()
  ctx.rect(0, sizes.axis, sizes.width, scene.height - sizes.axis)
  ctx.clip()
  ctx.translate(0, sizes.axis - scene.scroll)
  const bottom = scene.scroll + scene.height - scene.sizes.axis
  for (let at = Math.max(0, laneAt(scene.lanes, scene.scroll)); at < scene.lanes.length; at += 1) {
    const placed = scene.lanes[at]
    if (!placed || placed.y > bottom) break
    draw(placed)
  }
  ctx.restore()
}

function grid(ctx: Context, scene: Scene): void {
  const { sizes, height, palette, view } = scene
  for (const tick of scene.ticks) {
    const x = Math.round(xOf(tick.at, view, sizes)) + 0.5
    ctx.strokeStyle = tick.day ? palette['line-strong'] : palette.line
    ctx.globalAlpha = tick.day ? 1 : 0.6
    line(ctx, x, sizes.axis, x, height)
  }
  ctx.globalAlpha = 1
}

function axis(ctx: Context, scene: Scene): void {
  const { sizes, palette, view } = scene
  ctx.fillStyle = palette.panel
  ctx.fillRect(0, 0, sizes.width, sizes.axis)
  ctx.strokeStyle = palette['line-strong']
  line(ctx, 0, sizes.axis - 0.5, sizes.width, sizes.axis - 0.5)
  ctx.textBaseline = 'middle'
  ctx.font = `11.5px ${palette.font}`
  const left = sizes.names
  const day = scene.dayLabel(view.from)
  ctx.textAlign = 'left'
  ctx.fillStyle = palette.text
  // The day of the left edge, unless a day begins so near that the two would run into each other.
  const widest = ctx.measureText(day).width
  if (left > 0) ctx.fillText(day, 8, sizes.axis / 2)
  const taken = left > 0 ? left : widest + 12
  if (left === 0) ctx.fillText(day, 2, sizes.axis / 2)
  ctx.textAlign = 'center'
  for (const tick of scene.ticks) {
    const label = scene.tickLabel(tick)
    const half = ctx.measureText(label).width / 2
    const x = xOf(tick.at, view, sizes)
    ctx.strokeStyle = tick.day ? palette.text : palette['line-strong']
    line(ctx, Math.round(x) + 0.5, sizes.axis - 5, Math.round(x) + 0.5, sizes.axis)
    if (x - half < taken || x + half > sizes.width) continue
    ctx.fillStyle = tick.day ? palette.text : palette.dim
    ctx.font = `${tick.day ? '600 ' : ''}11.5px ${palette.font}`
    ctx.fillText(label, x, sizes.axis / 2 - 1)
  }
}

function lane(ctx: Context, scene: Scene, placed: Placed): void {
  const { sizes, palette } = scene
  if (placed.lane.key === scene.lane) {
    ctx.fillStyle = palette.sunken
    ctx.globalAlpha = 0.7
    ctx.fillRect(0, placed.y, sizes.width, placed.height)
    ctx.globalAlpha = 1
  }
  ctx.strokeStyle = palette.line
  line(ctx, 0, placed.y + placed.height - 0.5, sizes.width, placed.y + placed.height - 0.5)
  beside(ctx, scene, placed, () => {
    states(ctx, scene, placed)
    findings(ctx, scene, placed)
  })
}

/** What lies above all else of a lane. */
function above(ctx: Context, scene: Scene, placed: Placed): void {
  name(ctx, scene, placed)
  beside(ctx, scene, placed, () => marks(ctx, scene, placed))
}

/** Draws in a lane beside the column of names. */
function beside(ctx: Context, { sizes }: Scene, placed: Placed, draw: () => void): void {
  ctx.save()
  ctx.beginPath()
  ctx.rect(sizes.names, placed.y, sizes.width - sizes.names, placed.height)
  ctx.clip()
  draw()
  ctx.restore()
}

function name(ctx: Context, scene: Scene, placed: Placed): void {
  const { sizes, palette } = scene
  const { level } = placed.lane
  const y = sizes.names === 0 ? placed.y + 11 : placed.y + placed.height / 2
  ctx.textAlign = 'left'
  ctx.textBaseline = 'middle'
  let x = sizes.names === 0 ? 2 : 8
  const font = `${placed.lane.key === scene.lane ? '600 ' : ''}12.5px ${palette.font}`
  ctx.font = font
  const text = fitted(ctx, scene.laneName(placed), (sizes.names || sizes.width) - x - (level === undefined ? 8 : 23))
  if (sizes.names === 0) {
    // It stands in the picture: nothing there may show through.
    ctx.fillStyle = palette.panel
    ctx.fillRect(0, y - 8, x + (level === undefined ? 4 : 19) + ctx.measureText(text).width, 16)
  }
  if (level !== undefined) {
    ctx.fillStyle = palette[level]
    ctx.font = `11px ${palette.font}`
    ctx.fillText(GLYPHS[level], x, y + 0.5)
    x += 15
  }
  ctx.fillStyle = palette.text
  ctx.font = font
  ctx.fillText(text, x, y)
}

const fittings = new Map<string, string>()

/** A text cut to a width. `head` is the share that its beginning keeps: beginning and end of a name tell it apart. */
function fitted(ctx: Context, text: string, width: number, head = 0.6): string {
  const key = `${ctx.font} ${Math.round(width)} ${text}`
  const known = fittings.get(key)
  if (known !== undefined) return known
  let out = text
  for (let keep = text.length - 1; keep > 1 && ctx.measureText(out).width > width; keep -= 1) {
    out = `${text.slice(0, Math.ceil(keep * head))}…${text.slice(text.length - Math.floor(keep * (1 - head)))}`
  }
  if (fittings.size > 2_000) fittings.clear()
  fittings.set(key, out)
  return out
}

/** Height of the bar of a state, and how it is filled. */
const LOOK: Record<State, { height: number; colour: keyof Palette; stripes?: keyof Palette }> = {
  created: { height: 2, colour: 'line' },
  exited: { height: 2, colour: 'line-strong' },
  running: { height: 9, colour: 'quiet' },
  healthy: { height: 9, colour: 'none-soft', stripes: undefined },
  starting: { height: 9, colour: 'quiet', stripes: 'panel' },
  paused: { height: 9, colour: 'sunken', stripes: 'line-strong' },
  restarting: { height: 5, colour: 'notice-soft', stripes: 'heat-notice' },
  dead: { height: 4, colour: 'text' },
  unhealthy: { height: 9, colour: 'notice-soft', stripes: 'heat-notice' },
}

function states(ctx: Context, scene: Scene, placed: Placed): void {
  const y = placed.y + placed.middle
  for (const one of strips(placed.lane.states, scene.view, scene.now, scene.sizes)) stateBar(ctx, scene.palette, one.state, one.x, y, one.width)
}

/** The bar of a state, for lanes and for the legend. */
export function stateBar(ctx: Context, palette: Palette, state: State, x: number, y: number, width: number): void {
  const look = LOOK[state]
  const top = y - look.height / 2
  // Whatever lies below must not show through.
  ctx.fillStyle = palette.panel
  ctx.fillRect(x, y - 4.5, width, 9)
  ctx.fillStyle = palette[look.colour]
  ctx.fillRect(x, top, width, look.height)
  if (state === 'healthy') {
    ctx.fillStyle = palette['heat-none']
    ctx.fillRect(x, top + look.height - 3, width, 3)
  }
  if (look.stripes !== undefined) stripes(ctx, x, top, width, look.height, palette[look.stripes], 6)
}

function stripes(ctx: Context, x: number, y: number, width: number, height: number, colour: string, step: number): void {
  ctx.save()
  ctx.beginPath()
  ctx.rect(x, y, width, height)
  ctx.clip()
  ctx.beginPath()
  // Counted from zero: neighbours' stripes meet.
  for (let at = Math.floor((x - height) / step) * step; at < x + width; at += step) {
    ctx.moveTo(at, y + height)
    ctx.lineTo(at + height, y)
  }
  ctx.strokeStyle = colour
  ctx.lineWidth = 1.5
  ctx.stroke()
  ctx.restore()
  ctx.lineWidth = 1
}

/** Edges of a stretch on the canvas, a little beyond what is seen at most. */
function edges(scene: Scene, from: number, to: number): [number, number] {
  const { sizes, view } = scene
  return [Math.max(xOf(from, view, sizes), sizes.names), Math.min(xOf(to, view, sizes), sizes.width)]
}

function findings(ctx: Context, scene: Scene, placed: Placed): void {
  const { palette } = scene
  const top = placed.y + placed.bars
  const height = 16
  for (const bar of placed.lane.bars) {
    const end = bar.to ?? Math.max(scene.now, bar.from)
    if (end < scene.view.from || bar.from > scene.view.to) continue
    const { level, cause } = bar.finding
    const [begin, to] = edges(scene, bar.from, end)
    const width = Math.max(to - begin, MARK + 4)
    const from = Math.min(begin, scene.sizes.width - width)
    ctx.fillStyle = palette.panel
    ctx.fillRect(from, top, width, height)
    ctx.fillStyle = palette[`${level}-soft`]
    ctx.fillRect(from, top, width, height)
    ctx.fillStyle = palette[level]
    if (bar.from >= scene.view.from) ctx.fillRect(from, top, 2, height)
    ctx.fillRect(from, top + height - 2, width, 2)
    ctx.textAlign = 'left'
    ctx.textBaseline = 'middle'
    ctx.font = `600 11px ${palette.font}`
    ctx.fillText(width > 60 ? fitted(ctx, scene.barLabel(level, cause), width - 12, 1) : GLYPHS[level], from + 5, top + height / 2 - 0.5)
  }
}

function marks(ctx: Context, scene: Scene, placed: Placed): void {
  const { palette, sizes, view } = scene
  const y = placed.y + placed.middle
  const { events } = placed.lane
  ctx.fillStyle = palette.dim
  for (const x of ticksOf(events, view, sizes)) ctx.fillRect(x, y - 7, 1, 14)
  for (const cluster of clusters(events, view, sizes)) {
    drawMark(ctx, palette, cluster.top.mark, cluster.x, y)
    if (cluster.count > 1) countOf(ctx, palette, cluster.count, cluster.x, y)
  }
}

function countOf(ctx: Context, palette: Palette, count: number, x: number, y: number): void {
  ctx.font = `600 9px ${palette.font}`
  ctx.textAlign = 'center'
  ctx.textBaseline = 'middle'
  ctx.fillStyle = palette.text
  ctx.fillText(count > 99 ? '99+' : String(count), x, y + 11.5)
}

/** A mark with its letter; also for the legend. */
export function drawMark(ctx: Context, palette: Palette, mark: Mark, x: number, y: number): void {
  const tone = palette[mark.tone]
  if (mark.weight <= TICK) {
    ctx.fillStyle = tone
    ctx.fillRect(Math.round(x), y - 7, 1, 14)
    return
  }
  const hollow = mark.shape === 'ring'
  outline(ctx, mark.shape, x, y, MARK / 2)
  ctx.lineWidth = hollow ? 1.5 : 2.5
  ctx.strokeStyle = hollow ? tone : palette.panel
  ctx.stroke()
  ctx.lineWidth = 1
  ctx.fillStyle = hollow ? palette.panel : tone
  ctx.fill()
  ctx.fillStyle = hollow ? tone : palette.panel
  ctx.font = `700 8.5px ${palette.font}`
  ctx.textAlign = 'center'
  ctx.textBaseline = 'middle'
  ctx.fillText(mark.letter, x, y + (LETTER_DOWN[mark.shape] ?? 0.5))
}

/** Where the middle of a shape's room for a letter is. */
const LETTER_DOWN: Partial<Record<Shape, number>> = { triangle: 2.5, down: -1.5 }

function outline(ctx: Context, shape: Shape, x: number, y: number, r: number): void {
  ctx.beginPath()
  if (shape === 'disc' || shape === 'ring') {
    ctx.arc(x, y, shape === 'ring' ? r - 0.5 : r, 0, Math.PI * 2)
    return
  }
  CORNERS[shape].forEach(([dx, dy], at) => (at === 0 ? ctx.moveTo(x + dx * r, y + dy * r) : ctx.lineTo(x + dx * r, y + dy * r)))
  ctx.closePath()
}

const CORNERS: Record<Exclude<Shape, 'disc' | 'ring'>, [number, number][]> = {
  square: [[-0.95, -0.95], [0.95, -0.95], [0.95, 0.95], [-0.95, 0.95]],
  diamond: [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]],
  triangle: [[0, -1.2], [1.2, 1], [-1.2, 1]],
  down: [[0, 1.2], [1.2, -1], [-1.2, -1]],
  hexagon: [[-0.6, -1], [0.6, -1], [1.2, 0], [0.6, 1], [-0.6, 1], [-1.2, 0]],
  tick: [],
}

function hatched(ctx: Context, scene: Scene): void {
  const { sizes, height, palette, view } = scene
  for (const gap of scene.unseen) {
    if (gap.to < view.from || gap.from > view.to) continue
    const [from, to] = edges(scene, gap.from, gap.to)
    const width = Math.max(2, to - from)
    ctx.globalAlpha = 0.25
    ctx.fillStyle = palette.unseen
    ctx.fillRect(from, sizes.axis, width, height - sizes.axis)
    ctx.globalAlpha = 0.8
    stripes(ctx, from, sizes.axis, width, height - sizes.axis, palette.unseen, 9)
    ctx.globalAlpha = 1
  }
}

function cursors(ctx: Context, scene: Scene): void {
  const { sizes, height, palette, view, selected, pointer, brush } = scene
  if (brush) {
    const [from, to] = edges(scene, brush.from, brush.to)
    ctx.globalAlpha = 0.16
    ctx.fillStyle = palette.focus
    ctx.fillRect(from, sizes.axis, to - from, height - sizes.axis)
    ctx.globalAlpha = 1
    ctx.fillRect(from, sizes.axis, 1, height - sizes.axis)
    ctx.fillRect(to - 1, sizes.axis, 1, height - sizes.axis)
  }
  if (pointer !== undefined && pointer > sizes.names) {
    ctx.strokeStyle = palette['line-strong']
    ctx.setLineDash([3, 3])
    line(ctx, Math.round(pointer) + 0.5, sizes.axis, Math.round(pointer) + 0.5, height)
    ctx.setLineDash([])
  }
  if (scene.now > view.from && scene.now < view.to) {
    ctx.strokeStyle = palette.focus
    const x = Math.round(xOf(scene.now, view, sizes)) + 0.5
    line(ctx, x, sizes.axis, x, height)
  }
  if (selected && selected.at >= view.from && selected.at <= view.to) chosen(ctx, scene, selected)
}

function chosen(ctx: Context, scene: Scene, selected: Selected): void {
  const { sizes, height, palette, view } = scene
  const x = Math.round(xOf(selected.at, view, sizes)) + 0.5
  ctx.strokeStyle = palette.focus
  ctx.lineWidth = 1.5
  line(ctx, x, sizes.axis, x, height)
  const placed = scene.lanes.find((one) => one.lane.key === selected.lane)
  if (placed) {
    const y = placed.y + (selected.bar ? placed.bars + 8 : placed.middle) + sizes.axis - scene.scroll
    if (y > sizes.axis) {
      ctx.beginPath()
      ctx.arc(x, y, MARK / 2 + 4, 0, Math.PI * 2)
      ctx.lineWidth = 2
      ctx.stroke()
    }
  }
  ctx.lineWidth = 1
}

function line(ctx: Context, x1: number, y1: number, x2: number, y2: number): void {
  ctx.beginPath()
  ctx.moveTo(x1, y1)
  ctx.lineTo(x2, y2)
  ctx.stroke()
}

/** Makes a canvas sharp on any screen; gives back what to draw with. */
export function prepared(canvas: HTMLCanvasElement, width: number, height: number): Context | null {
  const ratio = Math.min(3, window.devicePixelRatio || 1)
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)]
  if (canvas.width !== w) canvas.width = w
  if (canvas.height !== h) canvas.height = h
  const ctx = canvas.getContext('2d', { alpha: false })
  ctx?.setTransform(ratio, 0, 0, ratio, 0, 0)
  return ctx
}

