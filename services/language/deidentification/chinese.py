"""Chinese: names, numbers and places. Dates are in `dates`; phones, e-mail and the like in `numbers`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.language.deidentification.identifiers import Found, Kind

_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付傅方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳欧管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝"
_DOUBLE = "欧阳|司马|上官|诸葛|东方|皇甫|尉迟|公孙|慕容|司徒|令狐|夏侯|端木|南宫|长孙|宇文|轩辕"
_SURNAME = rf"(?:{_DOUBLE}|[{_SURNAMES}])"
_GIVEN = r"[\u4e00-\u9fff]{1,2}"
_TITLE = r"(?:先生|女士|小姐|太太|医生|医师|大夫|主任医师|副主任医师|主治医师|住院医师|主任|副主任|教授|副教授|护士长|护士|护师|药师|技师|院长|科长|同志|老师|师傅|阿姨|叔叔|大爷|大妈|奶奶|爷爷|患者|病人|某某|某)"
_LABEL = r"(?:姓\s*名|患者姓名|病人姓名|患\s*者|病\s*人|医\s*生|医\s*师|主治医师|主治医生|主管医师|经治医师|住院医师|主任医师|上级医师|接诊医生|首诊医师|责任护士|护\s*士|主\s*刀|术\s*者|手术者|助\s*手|第一助手|麻醉师|麻醉医师|联系人|紧急联系人|家属|父亲|母亲|配偶|丈夫|妻子|儿子|女儿|签\s*名|医师签名|医生签名|患者签名|家属签名|记录者|记录人|报告医师|报告医生|审核医师|审核医生|检查医师|检查者|送检医师|送检医生|申请医师|申请医生|开单医生|主诊医师|陈述者|病史陈述者|法定代理人|监护人|受检者)"
_NAME_FORMS: tuple[tuple[str, float], ...] = (
    (
        rf"{_LABEL}\s*[:：]\s*(?P<name>(?:{_SURNAME}[\s\u3000]?{_GIVEN}(?![\u4e00-\u9fff])|{_SURNAME}{_GIVEN}|[\u4e00-\u9fff]{{2,4}}(?=[\s,，。;；、/(（]|$)))",
        0.96,
    ),
    (
        rf"(?<![\u4e00-\u9fff])(?P<name>{_SURNAME}{_GIVEN})(?=\s*[,，]?\s*(?:男|女)(?:性)?[,，。;；、\s\d])",
        0.95,
    ),
    (rf"(?P<name>{_SURNAME}(?:[\u4e00-\u9fff]{{1,2}}?|某某?|X{{1,2}}|×{{1,2}}))(?={_TITLE})", 0.9),
    (
        rf"(?:患者|病人|其(?:妻子?|夫|丈夫|父亲?|母亲?|子|女儿|儿子|女|兄|弟|姐|妹|哥哥|弟弟|姐姐|妹妹)|妻子|丈夫|儿子|女儿|父亲|母亲|家属|医生|医师|护士|主任|教授|由|请|经|与|和|给|向)(?P<name>{_SURNAME}{_GIVEN})(?=[,，。;；、\s(（]|因|于|男|女|诉|自|今|陪|送|来|主刀|会诊|查房|签字|签名|在|已|为|同意|要求|表示|述|签|拒绝|陪护|送入|接受|告知|主持|完成|行|负责|$)",
        0.8,
    ),
    (rf"(?:叫|名叫|名为|姓名为|本人)(?P<name>{_SURNAME}{_GIVEN})(?!症|病)", 0.85),
)
_NOT_NAMES = frozenset(["于今", "于昨", "任何", "高热", "高血", "高度", "白细", "白蛋", "黄疸", "黄染", "全身", "全麻", "全部", "时有", "时间", "和右", "和左", "金黄", "石膏", "安静", "安排", "明显", "明确", "连续", "应用", "向患", "向家", "何时", "单纯", "左侧", "左肺", "左上", "左下", "左肾", "左心", "方可", "方案", "成人", "古", "解痉", "管理", "经治", "温水", "江", "查体", "查房", "和家", "冷", "康复", "常规", "申请", "关节", "关于", "万", "文化", "施行", "师", "路", "景", "连", "商", "边", "水", "曲", "易", "车祸", "阳性", "米", "包块", "包", "毛", "马上", "麻醉", "麻木", "沙", "华法", "华法林", "明", "全程", "项", "路", "应", "宁", "单侧", "安装", "和护", "温度", "白色", "白天", "成功", "左右", "计"])  # fmt: skip

_PROVINCES = "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
_H = r"[\u4e00-\u9fff]"
_PLACES: tuple[tuple[Kind, str, float], ...] = (
    (Kind.LOCATION, rf"(?:{_PROVINCES})(?:省|市|自治区|壮族自治区|回族自治区|维吾尔自治区|特别行政区)?(?:{_H}{{2,8}}?(?:市|自治州|地区|盟|区|县|旗)){{1,3}}(?:{_H}{{1,10}}?(?:镇|乡|街道|村|路|街|大道|巷|弄|胡同|小区|花园|社区|新村|苑)){{0,4}}(?:[\dA-Za-z一二三四五六七八九十]+(?:号院?|弄|栋|幢|号楼|单元|室|楼|层|组|队|座|户)[-之]?){{0,5}}(?:\d+室?)?", 0.95),
    (Kind.LOCATION, r"(?:住址|地址|家庭住址|现住址|户籍地址|户口地址|联系地址|通讯地址|籍贯|出生地|工作地点|现居|居住于|家住|住在|来自)\s*[:：]?\s*(?P<name>[\u4e00-\u9fffA-Za-z\d\-－#()（）]{2,50})", 0.93),
    (Kind.LOCATION, rf"(?:{_H}{{2,6}}?(?:路|街|大道|巷|弄|胡同|小区|花园|社区|新村|村|镇|乡))(?:[\dA-Za-z一二三四五六七八九十]+(?:号院?|弄|栋|幢|号楼|单元|室|楼|层|组|队|座)[-之]?){{1,5}}(?:\d+室?)?", 0.92),
    (Kind.LOCATION, rf"(?:{_PROVINCES})(?:省|市)", 0.75),
    (Kind.LOCATION, r"(?P<name>[一二三四五六七八九十\dA-Z]{1,4}(?:病区|病房|病室|楼病区))?\s*[A-Z]?\d{1,3}\+?\d?床", 0.85),
    (Kind.LOCATION, r"(?:床号|床位号?|床位|病房号?|房间号?|病区)\s*[:：]?\s*(?P<name>[A-Za-z]?\d{1,4}[-\dA-Za-z]*床?|[一二三四五六七八九十]+(?:病区|床|楼))", 0.9),
    (Kind.LOCATION, r"(?:邮编|邮政编码)\s*[:：]?\s*(?P<name>\d{6})", 0.97),
    (Kind.ORGANISATION, rf"(?:(?:{_PROVINCES})(?:省|市)?)?(?:{_H}{{1,10}}?)(?:大学(?:第[一二三四五六七八九十]+)?(?:附属)?(?:{_H}{{0,8}}?)医院|医院|卫生院|诊所|卫生服务中心|保健院|医学中心|疾控中心|疗养院|敬老院|养老院|福利院|体检中心|门诊部)", 0.85),
    (Kind.ORGANISATION, r"(?:工作单位|单位|就职于|供职于|任职于|就读于|毕业于|工作于)\s*[:：]?\s*(?P<name>[\u4e00-\u9fffA-Za-z]{3,25})", 0.9),
    (Kind.ORGANISATION, rf"(?:(?:{_PROVINCES})(?:省|市)?)?{_H}{{2,12}}?(?:有限公司|集团公司|公司|集团|大学|学院|中学|小学|幼儿园|银行|工厂|研究所|派出所|公安局)", 0.75),
)  # fmt: skip
_GENERIC_ORGANISATION = re.compile(
    r"^(?:在|于|至|到|我|本|外|当地|该|上级|某|三甲|三级|二级|社区|综合|专科|转入|转至|转|就诊|就诊于|曾在|曾于|前往|送至|来|来我|入|入我|住|住我|出|他|其他|各|下级|基层|定点|我们|医联体|院外|附近|及|和|建议|去|回|由|从|经|外地|县级|省级|市级|地方|原|民营|公立|患者|随后|后|急诊|多家|遂|遂至|今|家属|急送|急送至|收入|门诊|以)+(?:医院|卫生院|诊所|门诊部|大学|公司|单位)"
)
_VERBS = re.compile(r"(?:[年月日岁时]|患者|病人|今日|昨日|现|遂|后|曾|因|故|家属|急|先|再|又|并|随后)*(?:就诊于|转诊至|转诊到|转入|转至|转到|送至|送往|送到|收入|收住|入住|住在|就读于|任职于|毕业于|前往|去往|来到|至|到|在|于|从|由|经|往|来|入|去|为|是|系|赴)")  # fmt: skip

_NUMBERS: tuple[tuple[Kind, str, float], ...] = (
    (Kind.SSN, r"(?<![\dA-Za-z])[1-9]\d{5}\s?(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\s?\d{3}[\dXx](?![\dA-Za-z])", 0.99),
    (Kind.SSN, r"(?<![\dA-Za-z])[1-9]\d{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}(?![\dA-Za-z])", 0.85),
    (Kind.SSN, r"身份证(?:号码?|编号)?\s*(?:为|是)?\s*[:：]?\s*(?P<name>[\dXx*＊ ]{6,22}[\dXx])", 0.97),
    (Kind.PHONE, r"(?<![\d.])(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)", 0.97),
    (Kind.PHONE, r"(?<![\d.])(?:\(?0\d{2,3}\)?[- －—]?)[2-9]\d{6,7}(?:[-转]\d{1,6})?(?!\d)", 0.9),
    (Kind.FAX, r"传真(?:号码?)?\s*[:：]?\s*(?P<name>[\d()+ -]{7,20}\d)", 0.97),
    (Kind.PHONE, r"(?:电话|手机|联系方式|联系电话|手机号码?|座机|热线|分机)(?:号码?)?\s*[:：]?\s*(?P<name>[\d()+ -]{3,20}\d)", 0.96),
    (Kind.MEDICAL_RECORD, r"(?:病历号?|病案号?|住院号?|门诊号?|就诊号|就诊卡号?|登记号|检查号|影像号|放射号|超声号|病理号|标本号|条码号?|流水号|处方号|患者ID|病人ID|ID号?|编号|申请单号|报告单号|体检号|急诊号)(?:码)?\s*(?:为|是)?\s*[:：]?\s*(?P<name>[A-Za-z]{0,4}[-]?\d[\dA-Za-z-]{2,24})", 0.97),
    (Kind.HEALTH_PLAN, r"(?:医保卡?号?|社保卡?号?|社会保障(?:卡)?号?|医疗保险(?:卡)?号?|保险单号|保单号|新农合(?:证)?号?)(?:码)?\s*[:：]?\s*(?P<name>[A-Za-z]{0,4}\d[\dA-Za-z-]{4,24})", 0.97),
    (Kind.ACCOUNT, r"(?:银行卡|账号|帐号|账户|卡号)(?:号码?)?\s*[:：]?\s*(?P<name>\d[\d -]{6,25}\d)", 0.97),
    (Kind.ACCOUNT, r"(?<!\d)62\d{14,17}(?!\d)", 0.9),
    (Kind.LICENCE, r"(?:执业证|执业证书|资格证|资格证书|驾驶证|驾照|护照|军官证|许可证|出生证|医师证|通行证)(?:编号|号码?)?\s*[:：]?\s*(?P<name>[A-Za-z\u4e00-\u9fff]{0,2}\d[\dA-Za-z]{4,20})", 0.97),
    (Kind.LICENCE, r"(?<![A-Za-z\d])[EGDSPH]\d{8}(?![\dA-Za-z])", 0.85),
    (Kind.VEHICLE, r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z][·•\-\s]?[A-Z0-9]{5,6}(?![A-Z0-9])", 0.97),
    (Kind.DEVICE, r"(?:序列号|产品编号|设备号|设备编号|批号|生产批号|型号编码|机身号)\s*[:：]?\s*(?P<name>[A-Za-z]{0,4}-?\d[\dA-Za-z-]{2,24})", 0.95),
    (Kind.OTHER, r"(?:工号|学号|警号|微信号?|QQ号?|微信|案件号|合同号)(?:码)?\s*[:：]?\s*(?P<name>[A-Za-z\d][\w-]{3,24})", 0.93),
    (Kind.BIOMETRIC, r"(?:指纹|声纹|虹膜|人脸)(?:编号|识别码|号|ID)\s*[:：]?\s*(?P<name>[\dA-Za-z-]{4,24})", 0.95),
)  # fmt: skip
_HAN = re.compile(r"[\u4e00-\u9fff]")
_COMPILED_NAMES = [(re.compile(form), confidence) for form, confidence in _NAME_FORMS]
_COMPILED = [(kind, re.compile(form), confidence) for kind, form, confidence in (*_PLACES, *_NUMBERS)]


def find_chinese(text: str) -> Iterator[Found]:
    """Identifiers of Chinese texts, in no order; they may overlap. Nothing where no Han character stands, but numbers."""
    if not _HAN.search(text):
        for kind, pattern, confidence in _COMPILED:
            if kind in {Kind.SSN, Kind.PHONE}:
                yield from (
                    Found(*match.span(), kind, confidence)
                    for match in pattern.finditer(text)
                    if "name" not in pattern.groupindex
                )
        return
    for name_pattern, confidence in _COMPILED_NAMES:
        for match in name_pattern.finditer(text):
            name = match["name"]
            if name[:2] not in _NOT_NAMES and name not in _NOT_NAMES:
                yield Found(*match.span("name"), Kind.NAME, confidence)
    for kind, pattern, confidence in _COMPILED:
        for match in pattern.finditer(text):
            start, end = match.span("name") if match.groupdict().get("name") else match.span()
            if kind is Kind.ORGANISATION:
                if verb := _VERBS.match(text, start, end):
                    start = verb.end()
                if _GENERIC_ORGANISATION.match(text[start:end]) or end - start < 4:
                    continue
            yield Found(start, end, kind, confidence)
