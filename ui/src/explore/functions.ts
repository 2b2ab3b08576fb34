// The functions of PromQL: what they take, and what they are for in a line, in both languages. The crate `hinomi-query` has
// the same list; what it does not know, it refuses.
import type { Language } from '../i18n/language.svelte'

export interface FunctionWords {
  /** `(q scalar, v vector)` and what it yields. */
  readonly signature: string
  readonly en: string
  readonly ja: string
}

/** Name | arguments | English | Japanese. `v` is a vector (one value a series), `m` a range (`x[5m]`), `s` a number, `t` a text. */
const LINES = `
abs|v|absolute value|絶対値
absent|v|1 where nothing matches, else nothing|該当する系列がなければ 1、あれば結果なし
absent_over_time|m|1 where nothing matches in the range, else nothing|範囲内に該当する系列がなければ 1、あれば結果なし
acos|v|arc cosine, radians|逆余弦（ラジアン）
acosh|v|inverse hyperbolic cosine|逆双曲線余弦
asin|v|arc sine, radians|逆正弦（ラジアン）
asinh|v|inverse hyperbolic sine|逆双曲線正弦
atan|v|arc tangent, radians|逆正接（ラジアン）
atanh|v|inverse hyperbolic tangent|逆双曲線正接
avg_over_time|m|mean of the samples in the range|範囲内のサンプルの平均
ceil|v|rounded up to a whole number|整数に切り上げ
changes|m|how often the value changed in the range|範囲内で値が変わった回数
clamp|v, min s, max s|limited to what lies between min and max|min から max の間に制限
clamp_max|v, max s|limited to max at most|最大 max に制限
clamp_min|v, min s|limited to min at least|最小 min に制限
cos|v|cosine of radians|余弦（ラジアン）
cosh|v|hyperbolic cosine|双曲線余弦
count_over_time|m|number of samples in the range|範囲内のサンプル数
day_of_month|v?|day of the month, 1 to 31, UTC|月の日（1 ～ 31、UTC）
day_of_week|v?|day of the week, 0 is Sunday, UTC|曜日（0 が日曜、UTC）
day_of_year|v?|day of the year, 1 to 366, UTC|年の通算日（1 ～ 366、UTC）
days_in_month|v?|number of days of the month, UTC|月の日数（UTC）
deg|v|radians as degrees|ラジアンを度に変換
delta|m|difference between end and begin of the range, for gauges|範囲の始めと終わりの差（ゲージ用）
deriv|m|change per second by linear regression, for gauges|線形回帰による 1 秒あたりの変化（ゲージ用）
double_exponential_smoothing|m, sf s, tf s|smoothed with level factor sf and trend factor tf; experimental|係数 sf と tf による平滑化（実験的）
end||end of the query, seconds since the epoch; experimental|クエリの終端の時刻（秒、実験的）
exp|v|e to the power of the value|e の累乗
first_over_time|m|oldest sample in the range|範囲内で最も古いサンプル
floor|v|rounded down to a whole number|整数に切り捨て
histogram_avg|v|mean of the observations of native histograms|ネイティブヒストグラムの観測値の平均
histogram_count|v|number of observations of native histograms|ネイティブヒストグラムの観測数
histogram_fraction|lower s, upper s, v|part of the observations between two bounds, 0 to 1|2 つの境界の間にある観測値の割合（0 ～ 1）
histogram_quantile|q s, v|quantile q (0 to 1) of histograms; classic ones need the label le|ヒストグラムの分位数 q（0 ～ 1）。従来型にはラベル le が必要
histogram_quantiles|v, label t, q s…|several quantiles, each told by a label; experimental|複数の分位数をラベルで区別（実験的）
histogram_stddev|v|standard deviation of the observations, estimated|観測値の標準偏差（推定）
histogram_stdvar|v|variance of the observations, estimated|観測値の分散（推定）
histogram_sum|v|sum of the observations of native histograms|ネイティブヒストグラムの観測値の合計
hour|v?|hour of the day, 0 to 23, UTC|時（0 ～ 23、UTC）
idelta|m|difference of the last two samples, for gauges|最後の 2 サンプルの差（ゲージ用）
increase|m|by how much a counter grew in the range|範囲内でのカウンターの増加量
info|v, selector v?|adds the labels of matching info series; experimental|対応する info 系列のラベルを追加（実験的）
irate|m|growth of a counter per second by its last two samples|最後の 2 サンプルによるカウンターの 1 秒あたりの増加
label_join|v, to t, separator t, from t…|puts the values of labels together into another label|複数のラベルの値をつないで別のラベルに入れる
label_replace|v, to t, replacement t, from t, regex t|sets a label from another one that matches a pattern|パターンに一致したラベルから別のラベルを設定
last_over_time|m|newest sample in the range|範囲内で最も新しいサンプル
ln|v|natural logarithm|自然対数
log10|v|decimal logarithm|常用対数
log2|v|binary logarithm|2 を底とする対数
mad_over_time|m|median of the distances to the median; experimental|中央絶対偏差（実験的）
max_of|a s, b s|the greater one; experimental|大きい方（実験的）
max_over_time|m|greatest sample in the range|範囲内の最大値
min_of|a s, b s|the smaller one; experimental|小さい方（実験的）
min_over_time|m|smallest sample in the range|範囲内の最小値
minute|v?|minute of the hour, 0 to 59, UTC|分（0 ～ 59、UTC）
month|v?|month, 1 to 12, UTC|月（1 ～ 12、UTC）
pi||π|円周率
predict_linear|m, seconds s|value in so many seconds by linear regression, for gauges|線形回帰による指定秒後の予測値（ゲージ用）
present_over_time|m|1 for each series with a sample in the range|範囲内にサンプルがある系列ごとに 1
quantile_over_time|q s, m|quantile q (0 to 1) of the samples in the range|範囲内のサンプルの分位数 q（0 ～ 1）
rad|v|degrees as radians|度をラジアンに変換
range||length of the query, seconds; experimental|クエリの期間の長さ（秒、実験的）
rate|m|growth of a counter per second, mean over the range|範囲内でのカウンターの 1 秒あたりの平均増加
resets|m|how often a counter began anew in the range|範囲内でカウンターがリセットされた回数
round|v, to s?|rounded to a multiple of to (1 if not given)|to の倍数に丸め（省略時 1）
scalar|v|the value of the only series as a number, else NaN|唯一の系列の値を数値に（それ以外は NaN）
sgn|v|sign: 1, 0 or -1|符号: 1、0、-1
sin|v|sine of radians|正弦（ラジアン）
sinh|v|hyperbolic sine|双曲線正弦
sort|v|by value, smallest first; at one moment only|値の昇順（一時点のみ）
sort_by_label|v, label t…|by labels; at one moment only; experimental|ラベルの昇順（一時点のみ、実験的）
sort_by_label_desc|v, label t…|by labels, last first; at one moment only; experimental|ラベルの降順（一時点のみ、実験的）
sort_desc|v|by value, greatest first; at one moment only|値の降順（一時点のみ）
sqrt|v|square root|平方根
start||begin of the query, seconds since the epoch; experimental|クエリの始端の時刻（秒、実験的）
start_timestamp|v|when each sample's counter began, seconds; experimental|各サンプルのカウンターの開始時刻（秒、実験的）
stddev_over_time|m|standard deviation of the samples in the range|範囲内のサンプルの標準偏差
stdvar_over_time|m|variance of the samples in the range|範囲内のサンプルの分散
step||step of the query, seconds; experimental|クエリのステップ（秒、実験的）
sum_over_time|m|sum of the samples in the range|範囲内のサンプルの合計
tan|v|tangent of radians|正接（ラジアン）
tanh|v|hyperbolic tangent|双曲線正接
time||time of evaluation, seconds since the epoch|評価時刻（秒）
timestamp|v|time of each sample, seconds since the epoch|各サンプルの時刻（秒）
ts_of_first_over_time|m|time of the oldest sample in the range; experimental|範囲内で最も古いサンプルの時刻（実験的）
ts_of_last_over_time|m|time of the newest sample in the range; experimental|範囲内で最も新しいサンプルの時刻（実験的）
ts_of_max_over_time|m|time of the greatest sample in the range; experimental|範囲内の最大値の時刻（実験的）
ts_of_min_over_time|m|time of the smallest sample in the range; experimental|範囲内の最小値の時刻（実験的）
vector|s|a number as a series without labels|数値をラベルなしの系列に変換
year|v?|year, UTC|年（UTC）
sum|v|sum; by (…) or without (…) says which labels stay|合計。by (…) や without (…) で残すラベルを指定
avg|v|mean of the series|系列の平均
min|v|smallest value|最小値
max|v|greatest value|最大値
count|v|number of series|系列の数
group|v|1 for each group|グループごとに 1
stddev|v|standard deviation of the series|系列の標準偏差
stdvar|v|variance of the series|系列の分散
topk|k s, v|the k series with the greatest values|値が大きい k 系列
bottomk|k s, v|the k series with the smallest values|値が小さい k 系列
limitk|k s, v|any k series; experimental|任意の k 系列（実験的）
limit_ratio|r s, v|about this part of the series; experimental|およそ指定割合の系列（実験的）
quantile|q s, v|quantile q (0 to 1) of the series|系列の分位数 q（0 ～ 1）
count_values|label t, v|number of series by value|値ごとの系列数
`
const KINDS: Record<string, string> = { v: 'vector', m: 'range[…]', s: 'scalar', t: 'string' }
/** These yield a number. */
const SCALARS = new Set(['end', 'max_of', 'min_of', 'pi', 'range', 'scalar', 'start', 'step', 'time'])

function signature(name: string, args: string): string {
  const words = args.split(', ').filter((arg) => arg !== '').map((arg) => arg.replace(/\b([vmst])(?=[?…]?$)/, (kind) => KINDS[kind] ?? kind))
  return `(${words.join(', ')}) → ${SCALARS.has(name) ? 'scalar' : 'vector'}`
}

export const FUNCTIONS: ReadonlyMap<string, FunctionWords> = new Map(
  LINES.trim().split('\n').map((line) => {
    const [name = '', args = '', en = '', ja = ''] = line.split('|')
    return [name, { signature: signature(name, args), en, ja }]
  }),
)

/** What a function is for, in a language. */
export const describe = (words: FunctionWords, language: Language): string => words[language]
