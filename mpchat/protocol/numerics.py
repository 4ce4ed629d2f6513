"""IRC's numeric replies, by the names that RFC 2812 section 5 and the Modern IRC documentation give them."""

from mpchat.chat.refusals import Reason

WELCOME = "001"
YOURHOST = "002"
CREATED = "003"
MYINFO = "004"
ISUPPORT = "005"
STATSKLINE = "216"
ENDOFSTATS = "219"
UMODEIS = "221"
STATSDLINE = "225"
LUSERCLIENT = "251"
LUSEROP = "252"
LUSERUNKNOWN = "253"
LUSERCHANNELS = "254"
LUSERME = "255"
ADMINME = "256"
ADMINLOC1 = "257"
ADMINLOC2 = "258"
ADMINEMAIL = "259"
LOCALUSERS = "265"
GLOBALUSERS = "266"
IS_AWAY = "301"
USERHOST = "302"
ISON = "303"
UNAWAY = "305"
NOWAWAY = "306"
WHOISUSER = "311"
WHOISSERVER = "312"
WHOISOPERATOR = "313"
WHOWASUSER = "314"
ENDOFWHO = "315"
WHOISIDLE = "317"
ENDOFWHOIS = "318"
WHOISCHANNELS = "319"
LIST = "322"
LISTEND = "323"
CHANNELMODEIS = "324"
CREATIONTIME = "329"
WHOISACCOUNT = "330"
NOTOPIC = "331"
TOPIC = "332"
TOPICWHOTIME = "333"
WHOISBOT = "335"
INVITING = "341"
INVITELIST = "346"
ENDOFINVITELIST = "347"
EXCEPTLIST = "348"
ENDOFEXCEPTLIST = "349"
VERSION = "351"
WHOREPLY = "352"
NAMREPLY = "353"
WHOSPCRPL = "354"
LINKS = "364"
ENDOFLINKS = "365"
ENDOFNAMES = "366"
BANLIST = "367"
ENDOFBANLIST = "368"
ENDOFWHOWAS = "369"
INFO = "371"
MOTD = "372"
ENDOFINFO = "374"
MOTDSTART = "375"
ENDOFMOTD = "376"
YOUREOPER = "381"
REHASHING = "382"
TIME = "391"
WHOISSECURE = "671"
HELPSTART = "704"
HELPTXT = "705"
ENDOFHELP = "706"
LOGGEDIN = "900"
LOGGEDOUT = "901"
SASLSUCCESS = "903"
SASLMECHS = "908"

NOSUCHSERVER = "402"
WASNOSUCHNICK = "406"
TOOMANYTARGETS = "407"
NOORIGIN = "409"
INVALIDCAPCMD = "410"
NORECIPIENT = "411"
INPUTTOOLONG = "417"
UNKNOWNCOMMAND = "421"
NONICKNAMEGIVEN = "431"
NOMOTD = "422"
NOTREGISTERED = "451"
NEEDMOREPARAMS = "461"
ALREADYREGISTERED = "462"
PASSWDMISMATCH = "464"
YOUREBANNEDCREEP = "465"
INVALIDUSERNAME = "468"
NOPRIVILEGES = "481"
NOOPERHOST = "491"
UMODEUNKNOWNFLAG = "501"
USERSDONTMATCH = "502"
HELPNOTFOUND = "524"
SASLFAIL = "904"
SASLTOOLONG = "905"
SASLABORTED = "906"
SASLALREADY = "907"

# What each refusal is in IRC: its numeric and its last parameter (None: the refusal brings its own).
REFUSALS: dict[Reason, tuple[str, str | None]] = {
    Reason.NO_SUCH_NICK: ("401", "No such nick/channel"),
    Reason.NO_SUCH_CHANNEL: ("403", "No such channel"),
    Reason.CANNOT_SAY: ("404", "Cannot send to channel"),
    Reason.TOO_MANY_CHANNELS: ("405", "You have joined too many channels"),
    Reason.BAD_SERVER_BAN: ("415", None),
    Reason.NO_TEXT: ("412", "No text to send"),
    Reason.NO_NICK: ("431", "No nickname given"),
    Reason.BAD_NICK: ("432", "Erroneous nickname"),
    Reason.NICK_TAKEN: ("433", "Nickname is already in use"),
    Reason.NICK_OWNED: ("433", "Nickname is registered: log in to its account, or take another one"),
    Reason.NICK_RESERVED: ("432", "Erroneous nickname: it belongs to the server"),
    Reason.NICK_REMOVED: ("437", None),
    Reason.NICK_TOO_FAST: ("438", None),
    Reason.NOT_THERE: ("441", "They aren't on that channel"),
    Reason.NOT_ON_CHANNEL: ("442", "You're not on that channel"),
    Reason.ALREADY_THERE: ("443", "is already on channel"),
    Reason.CHANNEL_FULL: ("471", "Cannot join channel (+l)"),
    Reason.UNKNOWN_MODE: ("472", "is unknown mode char to me"),
    Reason.INVITE_ONLY: ("473", "Cannot join channel (+i)"),
    Reason.BANNED: ("474", "Cannot join channel (+b)"),
    Reason.OPERATOR_UNINVITED: ("473", "A server operator comes into a private channel when a member invites them"),
    Reason.BAD_KEY: ("475", "Cannot join channel (+k)"),
    Reason.BAD_CHANNEL_NAME: ("476", "Bad channel name"),
    Reason.BAN_LIST_FULL: ("478", "Channel ban list is full"),
    Reason.NOT_OPERATOR: ("482", "You're not channel operator"),
    Reason.BAD_MODE_VALUE: ("696", None),
}
