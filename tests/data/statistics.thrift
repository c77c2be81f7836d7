struct LoginInfo {
  1: i64 auid 2: string nick 3: string server 4: string cluster 5: i32 timestamp 6: string ip
  7: string faction 8: bool factionselected 9: bool isdeveloper 10: string locale 11: i64 guildid
  12: string guildshortname 13: string guildfullname 14: i32 leaverpoints 15: bool isleaver
}
struct TalentInfo { 1: i32 classId 2: i64 instanceId 3: i32 boundHeroClassId }
struct TalentChangeInfo { 1: i64 auid 2: TalentInfo talent 3: i32 operation 4: i32 timestamp 5: string data }
struct ResourceTable {
  1: i32 Gold 2: i32 Silver 3: i32 Perl 4: i32 RedPerl 5: i32 Population 6: i32 Resource1
  7: i32 Resource2 8: i32 Resource3 9: i32 CWPoints_Player 10: i32 Shard 11: map<string,i32> Currencies
}
struct ChatMessageInfo { 1: i64 auid 2: i32 timestamp 3: string channel 4: string message }
struct OperationInfo { 1: i64 auid 2: i32 timestamp 3: string operation 4: string reason }
struct OddsAndEnds {
  1: required i64 id 2: optional double share 3: binary blob 4: set<i32> marks 5: list<TalentInfo> talents
  6: i16 small 7: byte tiny 8: i32 level = 7 9: map<i64,list<string>> groups 10: ResourceTable resources
}
service StatisticService {
  void LoginUsers(1:list<LoginInfo> logins),
  void TalentChange(1:list<TalentChangeInfo> infos),
  void ChatMessages(1:list<ChatMessageInfo> infos),
  void GMUserOperation(1:list<OperationInfo> infos),
  void Odds(1:list<OddsAndEnds> infos)
}
